"""Crystal graphs as a few flat tensors, and batches of them by index arithmetic.

All graphs of a data set are concatenated in the same tensors (see ``graphs/arrays.py``). They can be mapped from one
file, moved to a GPU as a whole, and batched without a loop over crystals. The trials on a node share the memory of
the tensors that ``nearest`` does not change; edges and distances are separate in each trial. Sizes are also kept on
the CPU, so a training step never waits for the GPU to learn one.
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
    """Return a copy of a dataclass with its tensors, also those of its ``Edges``, on ``device``."""
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
        elements: int32 (N,), row of ``element_features`` for each class.
        distances: float32 (U,), Å.
        edges: The neighbours of each class, and the number of atoms in it.
        crystals: int32 (N,), index within the batch of each class's crystal.
        atom_counts: float32 (C,), number of atoms of each crystal.
        labels: float32 (C, targets), in their units; NaN for a missing label.
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
    """The graphs of a whole data set, concatenated. Indices count within a crystal.

    Attributes:
        ids: Material id of each of the C crystals.
        radius: Cutoff radius, Å.
        max_num_nbr: Neighbours of each atom, at most.
        element_features: float32 (elements, features); row ``z - 1`` describes atomic number z.
        elements: Integer (classes,), row of ``element_features`` for each class of equivalent atoms.
        multiplicities: Integer (classes,), number of atoms in each class.
        neighbours: Integer (edges,), class of the neighbours; nearest first within a class.
        shells: Integer (edges,), index of the neighbours' distance among the crystal's distances.
        repeats: Integer (edges,), number of neighbours that each edge stands for.
        distances: float32 (distances,), Å.
        first_class: int64 (C + 1,), index of the first class of each crystal, and the number of all classes.
        first_edge: int64 (classes + 1,), the same for the edges of each class.
        first_distance: int64 (C + 1,), the same for the distances of each crystal.
        labels: float64 (C, targets); NaN for a missing label.
        label_names: Name of each target.
        ties: Rule for choosing among equally far neighbours; see ``DataSettings``.
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
        """Return all graphs on ``device``."""
        return moved(self, device)

    @cached_property
    def atom_counts(self) -> Tensor:
        """Number of atoms of each crystal, int64 (C,)."""
        atoms = torch.cat([self.first_class.new_zeros(1), self.multiplicities.long().cumsum(0)])
        return atoms[self.first_class].diff()

    @cached_property
    def first_edge_of_crystal(self) -> Tensor:
        """Index of the first edge of each crystal, and the number of all edges, int64 (C + 1,)."""
        return self.first_edge[self.first_class]

    @cached_property
    def _edge_counts(self) -> Tensor:
        return self.first_edge.diff()

    @cached_property
    def sizes(self) -> Tensor:
        """Number of classes, edges and distances of each crystal, int64 (C, 3), on the CPU."""
        firsts = (self.first_class, self.first_edge_of_crystal, self.first_distance)
        return torch.stack([first.diff() for first in firsts], dim=1).cpu()

    def batch(self, rows: Tensor) -> Batch:
        """Gather crystals into one batch.

        Args:
            rows: int64 (C,), indices of the crystals, on the CPU.

        Returns:
            The batch, on the device of the graphs.
        """
        return self._gathered(sent(rows, self.labels.device), self.sizes[rows].sum(0).tolist())

    def batches(self, rows: Tensor, batch_size: int) -> Iterator[Batch]:
        """Yield crystals, given by int64 indices on the CPU, in batches. The last batch may be smaller."""
        sizes = [part.sum(0).tolist() for part in self.sizes[rows].split(batch_size)]
        parts = sent(rows, self.labels.device).split(batch_size)
        for part, size in zip(parts, sizes, strict=True):
            yield self._gathered(part, size)

    def _gathered(self, rows: Tensor, sizes: Sequence[int]) -> Batch:
        """Return the batch of ``rows``, on the device of the graphs, given its sizes."""
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
        """Return the same graphs with only the nearest neighbours.

        An atom can lose all of its neighbours; see ``isolated``.

        Args:
            max_num_nbr: Neighbours of each atom, at most.
            radius: Cutoff radius, Å.
        """
        owners = torch.repeat_interleave(self.first_edge.diff())
        crystals = torch.repeat_interleave(self.first_class.diff())[owners]
        shells = self.shells + self.first_distance[crystals]
        ends = self.repeats.long().cumsum(0)
        before = ends - self.repeats
        before -= torch.cat([ends.new_zeros(1), ends])[self.first_edge[:-1]][owners]
        repeats = torch.minimum((max_num_nbr - before).clamp(min=0), self.repeats)
        if self.ties != "original":  # which fills up missing neighbours from beyond the radius
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
        """Return the indices, ascending, of the crystals that have an atom without neighbours."""
        lonely = torch.nonzero(self.first_edge.diff() == 0).flatten()
        return torch.unique(torch.searchsorted(self.first_class, lonely, right=True) - 1).tolist()

    def fewest_neighbours(self) -> dict[int, int]:
        """Return, for each crystal with an atom of too few neighbours, its index and the fewest of its atoms."""
        owners = torch.repeat_interleave(self.first_edge.diff())
        counts = torch.zeros(len(self.elements), dtype=torch.int64).index_add_(0, owners, self.repeats.long())
        few = torch.nonzero(counts < self.max_num_nbr).flatten()
        fewest: dict[int, int] = {}
        crystals = torch.searchsorted(self.first_class, few, right=True) - 1
        for crystal, count in zip(crystals.tolist(), counts[few].tolist(), strict=True):
            fewest[crystal] = min(count, fewest.get(crystal, count))
        return fewest


def sent(rows: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to a device; to a GPU asynchronously, from pinned memory."""
    return rows.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else rows.to(device)


def first_positions(counts: Tensor) -> Tensor:
    """Return the start of each part, and the end of the last, after concatenation: int64 (parts + 1,)."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _ranges(first: Tensor, rows: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor]:
    """Concatenate the parts of some rows.

    Args:
        first: int64 (C + 1,), start of the part of each row.
        rows: int64 (R,), indices of the rows.
        total: Number of elements of all these parts. It is passed so that the device need not be asked.

    Returns:
        The index that each element comes from, int64 (total,); the position in ``rows`` of the row that it belongs
        to, int64 (total,); the start of each row's part in the result, int64 (R,).
    """
    begins = first.index_select(0, rows)
    counts = first.index_select(0, rows + 1) - begins
    starts = counts.cumsum(0) - counts
    owners = torch.repeat_interleave(counts, output_size=total)
    return torch.arange(total, device=rows.device) + (begins - starts).index_select(0, owners), owners, starts


@dataclass(frozen=True)
class CrystalSet:
    """Some crystals of a data set, such as its training set.

    ``load_data`` returns three of them::

        train, valid, test = load_data("flla")
        for batch in train.batches(256, torch.Generator().manual_seed(0)):
            predictions = network(batch)  # (256, 1)

    Attributes:
        graphs: The graphs of the whole data set.
        rows: int64 (crystals,), indices of the crystals in this set, on the CPU.
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
        """Yield the set in batches.

        Args:
            batch_size: Crystals in each batch. The last batch may be smaller.
            generator: Generator on the CPU that shuffles the set; None: keep its order.
        """
        rows = self.rows if generator is None else self.shuffled(generator)
        yield from self.graphs.batches(rows, batch_size)

    def shuffled(self, generator: torch.Generator) -> Tensor:
        """Return the rows of the set in random order, int64 (crystals,), on the CPU."""
        return self.rows[torch.randperm(len(self.rows), generator=generator)]


def on_device(sets: Mapping[str, CrystalSet], device: torch.device) -> dict[str, CrystalSet]:
    """Move sets to a device. Graphs that several sets share are moved once."""
    graphs = {id(crystals.graphs): crystals.graphs for crystals in sets.values()}
    moved = {key: value.to(device) for key, value in graphs.items()}
    return {name: replace(crystals, graphs=moved[id(crystals.graphs)]) for name, crystals in sets.items()}
