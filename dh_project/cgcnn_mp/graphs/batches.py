"""Crystal graphs as a few flat tensors, and batches of them by index arithmetic.

All graphs of a data set lie end to end in the same tensors (``preparation.arrays`` says how), so that they can be
mapped from one file, moved to a GPU as a whole, and batched without visiting single crystals. What ``nearest`` leaves
as it is in the file is shared by the trials of a node; edges and distances are each trial's own. A step never asks
the GPU for a size: those are kept on the CPU beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels import Edges

T = TypeVar("T")


def moved(holder: T, device: torch.device | str) -> T:
    """Return a copy of a dataclass whose tensors, in whatever depth, lie on ``device``."""
    values: dict[str, Any] = {}
    for field in fields(holder):  # type: ignore[arg-type]
        value = getattr(holder, field.name)
        if isinstance(value, Tensor):
            values[field.name] = value.to(device)
        elif isinstance(value, Edges):
            values[field.name] = moved(value, device)
    return replace(holder, **values)  # type: ignore[type-var]


@dataclass(frozen=True)
class Batch:
    """Graphs of C crystals: N classes of symmetry-equivalent atoms, U distances.

    Attributes:
        element_features: float32 (elements, features); row ``z - 1`` describes atomic number z.
        elements: int32 (N,), row of ``element_features`` of each class.
        distances: float32 (U,), Å.
        edges: Who is whose neighbour, and how many atoms each class stands for.
        crystals: int32 (N,), index within the batch of each class's crystal.
        atom_counts: float32 (C,), atoms of each crystal.
        labels: float32 (C, targets), in their units; NaN where there is none.
    """

    element_features: Tensor
    elements: Tensor
    distances: Tensor
    edges: Edges
    crystals: Tensor
    atom_counts: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on ``device``."""
        return moved(self, device)


@dataclass(frozen=True)
class CrystalGraphs:
    """The graphs of a whole data set, end to end; indices count within a crystal.

    Attributes:
        ids: Material id of each of the C crystals.
        radius: Cutoff radius, Å.
        max_num_nbr: Neighbours an atom, at most.
        element_features: float32 (elements, features); row ``z - 1`` describes atomic number z.
        elements: Integer (classes,), row of ``element_features`` of each class of equivalent atoms.
        multiplicities: Integer (classes,), atoms that each class stands for.
        neighbours: Integer (edges,), class of the neighbours; nearest first in a class.
        shells: Integer (edges,), which of its crystal's distances they lie at.
        repeats: Integer (edges,), neighbours that each edge stands for.
        distances: float32 (distances,), Å.
        first_class: int64 (C + 1,), where each crystal's classes begin, and where the last one's end.
        first_edge: int64 (classes + 1,), the same of each class's edges.
        first_distance: int64 (C + 1,), the same of each crystal's distances.
        labels: float64 (C, targets); NaN where there is none.
        label_names: Name of each target.
        ties: Which of equally far neighbours were kept; ``load_data`` says what there is.
    """

    ids: list[str]
    radius: float
    max_num_nbr: int
    element_features: Tensor
    elements: Tensor
    multiplicities: Tensor
    neighbours: Tensor
    shells: Tensor
    repeats: Tensor
    distances: Tensor
    first_class: Tensor
    first_edge: Tensor
    first_distance: Tensor
    labels: Tensor
    label_names: tuple[str, ...] = ("label",)
    ties: str = "environment"

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> CrystalGraphs:
        """Return the graphs on ``device``, whole."""
        return moved(self, device)

    @cached_property
    def atom_counts(self) -> Tensor:
        """Atoms of each crystal, int64 (C,)."""
        atoms = torch.cat([self.first_class.new_zeros(1), self.multiplicities.long().cumsum(0)])
        return atoms[self.first_class].diff()

    @cached_property
    def first_edge_of_crystal(self) -> Tensor:
        """Where each crystal's edges begin, and where the last one's end, int64 (C + 1,)."""
        return self.first_edge[self.first_class]

    @cached_property
    def _edge_counts(self) -> Tensor:
        return self.first_edge.diff()

    @cached_property
    def sizes(self) -> Tensor:
        """Classes, edges and distances of each crystal, int64 (C, 3), on the CPU."""
        firsts = (self.first_class, self.first_edge_of_crystal, self.first_distance)
        return torch.stack([first.diff() for first in firsts], dim=1).cpu()

    def batch(self, rows: Tensor) -> Batch:
        """Gather crystals into one batch.

        Args:
            rows: int64 (C,), which crystals, on the CPU.

        Returns:
            The batch, on the graphs' device.
        """
        return self._gathered(sent(rows, self.labels.device), self.sizes[rows].sum(0).tolist())

    def batches(self, rows: Tensor, batch_size: int) -> Iterator[Batch]:
        """Yield crystals, int64 rows on the CPU, in batches of ``batch_size``; the last may be smaller."""
        sizes = [part.sum(0).tolist() for part in self.sizes[rows].split(batch_size)]
        parts = sent(rows, self.labels.device).split(batch_size)
        for part, size in zip(parts, sizes, strict=True):
            yield self._gathered(part, size)

    def _gathered(self, rows: Tensor, sizes: Sequence[int]) -> Batch:
        """Return the batch of ``rows``, which lie on the graphs' device, given its classes, edges, distances."""
        classes, crystals, class_starts = _ranges(self.first_class, rows, sizes[0])
        edges, edge_crystals, _ = _ranges(self.first_edge_of_crystal, rows, sizes[1])
        distances, _, distance_starts = _ranges(self.first_distance, rows, sizes[2])
        edge_counts = self._edge_counts.index_select(0, classes)
        first = torch.zeros(sizes[0] + 1, dtype=torch.int32, device=rows.device)
        torch.cumsum(edge_counts, 0, out=first[1:])
        neighbours = class_starts.index_select(0, edge_crystals) + self.neighbours.index_select(0, edges)
        shells = distance_starts.index_select(0, edge_crystals) + self.shells.index_select(0, edges)
        return Batch(
            element_features=self.element_features,
            elements=self.elements.index_select(0, classes).int(),
            distances=self.distances.index_select(0, distances),
            edges=Edges(
                first=first,
                classes=torch.repeat_interleave(edge_counts, output_size=sizes[1]).int(),
                neighbours=neighbours.int(),
                shells=shells.int(),
                repeats=self.repeats.index_select(0, edges).float(),
                multiplicities=self.multiplicities.index_select(0, classes).float(),
                distance_count=sizes[2],
            ),
            crystals=crystals.int(),
            atom_counts=self.atom_counts.index_select(0, rows).float(),
            labels=self.labels.index_select(0, rows).float(),
        )

    def nearest(self, max_num_nbr: int, radius: float) -> CrystalGraphs:
        """Return the same graphs with fewer neighbours: at most so many an atom, within so many Å.

        An atom may end without a neighbour; see ``isolated``.
        """
        owners = torch.repeat_interleave(self.first_edge.diff())
        crystals = torch.repeat_interleave(self.first_class.diff())[owners]
        shells = self.shells + self.first_distance[crystals]
        ends = self.repeats.long().cumsum(0)
        before = ends - self.repeats
        before -= torch.cat([ends.new_zeros(1), ends])[self.first_edge[:-1]][owners]
        repeats = torch.minimum((max_num_nbr - before).clamp(min=0), self.repeats)
        repeats[self.distances[shells] > radius] = 0
        kept = repeats > 0
        used = torch.zeros(len(self.distances), dtype=torch.bool)
        used[shells[kept]] = True
        first_distance = first_positions(used.long())[self.first_distance]
        renumbered = used.long().cumsum(0) - 1
        return replace(
            self,
            radius=radius,
            max_num_nbr=max_num_nbr,
            neighbours=self.neighbours[kept],
            shells=(renumbered[shells[kept]] - first_distance[crystals[kept]]).to(self.shells.dtype),
            repeats=repeats[kept].to(self.repeats.dtype),
            distances=self.distances[used],
            first_edge=first_positions(torch.bincount(owners[kept], minlength=len(self.elements))),
            first_distance=first_distance,
        )

    def isolated(self) -> list[int]:
        """Return the crystals, ascending, of which an atom has no neighbour."""
        lonely = torch.nonzero(self.first_edge.diff() == 0).flatten()
        return torch.unique(torch.searchsorted(self.first_class, lonely, right=True) - 1).tolist()


def sent(rows: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; a GPU takes it while the CPU goes on."""
    return rows.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else rows.to(device)


def first_positions(counts: Tensor) -> Tensor:
    """Return where parts of these sizes begin when they lie end to end, and where the last ends."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _ranges(first: Tensor, rows: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lay the parts of some rows end to end.

    Args:
        first: int64 (C + 1,), where each row's part begins.
        rows: int64 (R,).
        total: Elements of all these parts; telling it spares asking the device.

    Returns:
        Where each element comes from, int64 (total,); which of the R rows it belongs to, int64 (total,); where
        each row's part begins now, int64 (R,).
    """
    begins = first.index_select(0, rows)
    counts = first.index_select(0, rows + 1) - begins
    starts = counts.cumsum(0) - counts
    owners = torch.repeat_interleave(counts, output_size=total)
    return torch.arange(total, device=rows.device) + (begins - starts).index_select(0, owners), owners, starts


@dataclass(frozen=True)
class CrystalSet:
    """Some of the crystals of a data set (its training set, say).

    Attributes:
        graphs: The graphs of the whole data set.
        rows: int64 (crystals,), which of them belong to this set; on the CPU.
    """

    graphs: CrystalGraphs
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> CrystalSet:
        """Return the set with its graphs on ``device``."""
        return replace(self, graphs=self.graphs.to(device))

    @property
    def ids(self) -> list[str]:
        """Material ids, in the set's order."""
        return [self.graphs.ids[row] for row in self.rows.tolist()]

    @property
    def labels(self) -> Tensor:
        """Labels, float64 (crystals, targets), on the CPU."""
        return self.graphs.labels[self.rows.to(self.graphs.labels.device)].cpu()

    def batches(self, batch_size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield the set in batches, in its order, or shuffled by a generator that lives on the CPU.

        The last batch may be smaller. A last batch of a single atom is yielded too.
        """
        rows = self.rows if generator is None else self.shuffled(generator)
        yield from self.graphs.batches(rows, batch_size)

    def shuffled(self, generator: torch.Generator) -> Tensor:
        """Return the set's rows in a random order, int64 (crystals,); all is on the CPU."""
        return self.rows[torch.randperm(len(self.rows), generator=generator)]


def on_device(sets: Mapping[str, CrystalSet], device: torch.device) -> dict[str, CrystalSet]:
    """Move sets to a device; graphs that they share are moved once."""
    graphs = {id(crystals.graphs): crystals.graphs for crystals in sets.values()}
    moved = {key: value.to(device) for key, value in graphs.items()}
    return {name: replace(crystals, graphs=moved[id(crystals.graphs)]) for name, crystals in sets.items()}
