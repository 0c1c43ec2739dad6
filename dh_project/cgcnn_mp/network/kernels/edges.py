"""The neighbours of each class of atoms in a batch of crystals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks


@dataclass(frozen=True)
class Edges:
    """The E edges of N classes of atoms, with neighbours at U distances.

    An edge stands for ``repeats`` neighbours of each of the ``multiplicities`` atoms of its class.

    Attributes:
        first: int32 (N + 1,), index of the first edge of each class, and the number of all edges.
        classes: int32 (E,), class that each edge belongs to, ascending.
        neighbours: int32 (E,), class of the neighbours.
        shells: int32 (E,), index of their distance among the U distances.
        repeats: float32 (E,), number of neighbours that each edge stands for.
        multiplicities: float32 (N,), number of atoms in each class; 0 for padding.
        distance_count: U.
        ranks: The processes that share the batch. This object has the edges of one share.
    """

    first: Tensor
    classes: Tensor
    neighbours: Tensor
    shells: Tensor
    repeats: Tensor
    multiplicities: Tensor
    distance_count: int
    ranks: Ranks = ALONE

    @cached_property
    def weights(self) -> Tensor:
        """Number of bonds that each edge stands for, float32 (E,)."""
        return self.repeats * self.multiplicities.index_select(0, self.classes)

    @cached_property
    def class_weights(self) -> Tensor:
        """Number of bonds that begin at each class, float32 (N,)."""
        return self._summed(self.classes, len(self.multiplicities))

    @cached_property
    def neighbour_weights(self) -> Tensor:
        """Number of bonds that end at each class, float32 (N,)."""
        return self._summed(self.neighbours, len(self.multiplicities))

    @cached_property
    def shell_weights(self) -> Tensor:
        """Number of bonds with each distance, float32 (U,)."""
        return self._summed(self.shells, self.distance_count)

    @cached_property
    def total(self) -> Tensor:
        """Number of all bonds, float32 ()."""
        return self.class_weights.sum()

    def _summed(self, targets: Tensor, count: int) -> Tensor:
        return self.weights.new_zeros(count).index_add(0, targets, self.weights)
