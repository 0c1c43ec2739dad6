"""Crystal graphs as a few flat tensors, and batches of them by index arithmetic.

A crystal graph has an atom a node and, for each atom, its nearest periodic neighbours within the cutoff
radius (Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)). All graphs of a data set lie end to end in the
same tensors, so that they can be mapped from one file, shared by every trial of a node, moved to a GPU as a
whole, and batched without visiting single crystals. Neighbours are sorted by distance: fewer of them are a
slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", "CrystalGraphs", "Batch")


def _moved(tensors: T, device: torch.device | str) -> T:
    """Return a copy of a dataclass whose tensors lie on ``device``."""
    values: dict[str, Any] = {field.name: getattr(tensors, field.name) for field in fields(tensors)}
    moved: dict[str, Any] = {name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)}
    return replace(tensors, **moved)


@dataclass(frozen=True)
class Batch:
    """Graphs of C crystals with N atoms together, M neighbours each.

    Attributes:
        element_features: float32 (elements, features); row ``z - 1`` describes atomic number z.
        elements: int64 (N,), row of ``element_features`` of each atom.
        neighbours: int64 (N, M), index within the batch of each neighbour.
        distances: float32 (N, M), Å, nearest first; inf where there is no such neighbour.
        complete: Whether no neighbour is missing, known without asking the device.
        crystals: int64 (N,), index within the batch of each atom's crystal.
        atom_counts: int64 (C,).
        labels: float32 (C, 1), in the label's unit; NaN where there is none.
    """

    element_features: Tensor
    elements: Tensor
    neighbours: Tensor
    distances: Tensor
    complete: bool
    crystals: Tensor
    atom_counts: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on ``device``."""
        return _moved(self, device)


@dataclass(frozen=True)
class CrystalGraphs:
    """The graphs of a whole data set, end to end.

    Attributes:
        ids: Material id of each of the C crystals.
        radius: Cutoff radius, Å.
        element_features: float32 (elements, features); row ``z - 1`` describes atomic number z.
        elements: uint8 (atoms,), row of ``element_features`` of each atom.
        neighbours: int16 (atoms, K), index within its crystal of each neighbour, nearest first.
        distances: float32 (atoms, K), Å; inf where fewer than K neighbours lie within the radius.
        first_atom: int64 (C + 1,), where each crystal's atoms begin, and where the last one's end.
        labels: float64 (C,).
        fewest_neighbours: How many neighbours, of the K, every atom has.
    """

    ids: list[str]
    radius: float
    element_features: Tensor
    elements: Tensor
    neighbours: Tensor
    distances: Tensor
    first_atom: Tensor
    labels: Tensor
    fewest_neighbours: int

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> CrystalGraphs:
        """Return the graphs on ``device``, whole."""
        return _moved(self, device)

    def batch(self, rows: Tensor, max_num_nbr: int) -> Batch:
        """Gather crystals into one batch.

        Args:
            rows: int64 (C,), which crystals, on the graphs' device.
            max_num_nbr: How many nearest neighbours of an atom to take, at most the K that are kept.

        Returns:
            The batch, on the graphs' device.
        """
        first = self.first_atom[rows]
        counts = self.first_atom[rows + 1] - first
        starts = counts.cumsum(0) - counts
        crystals = torch.repeat_interleave(counts)
        atoms = torch.arange(len(crystals), device=rows.device) + (first - starts)[crystals]
        return Batch(
            element_features=self.element_features,
            elements=self.elements[atoms].long(),
            neighbours=self.neighbours[atoms, :max_num_nbr].long() + starts[crystals, None],
            distances=self.distances[atoms, :max_num_nbr],
            complete=max_num_nbr <= self.fewest_neighbours,
            crystals=crystals,
            atom_counts=counts,
            labels=self.labels[rows].float().unsqueeze(1),
        )


@dataclass(frozen=True)
class CrystalSet:
    """Some of the crystals of a data set (its training set, say).

    Attributes:
        graphs: The graphs of the whole data set.
        rows: int64 (crystals,), which of them belong to this set.
        max_num_nbr: Neighbours an atom.
    """

    graphs: CrystalGraphs
    rows: Tensor
    max_num_nbr: int = 12

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> list[str]:
        """Material ids, in the set's order."""
        return [self.graphs.ids[row] for row in self.rows.tolist()]

    @property
    def labels(self) -> Tensor:
        """Labels, float64 (crystals,)."""
        return self.graphs.labels[self.rows]

    def batches(self, batch_size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yield the set in batches, in its order, or shuffled by a generator that lives on the CPU.

        The last batch may be smaller. A last batch of a single atom is yielded too.
        """
        rows = self.rows
        if generator is not None:
            rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
        for chunk in rows.split(batch_size):
            yield self.graphs.batch(chunk, self.max_num_nbr)
