"""The arrays of crystal graphs, as they are kept in the graph file and mapped by every trial.

In a crystal graph the nodes are atoms, and the edges lead from each atom to its nearest periodic neighbours within
the cutoff radius (Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)). The graphs are folded by symmetry. Atoms
with the same surroundings have the same features in every layer, so one *class* stands for all of them (the quotient
graph; "asymmetric unit cells" in Ruff et al., arXiv:2302.14102). Neighbours of an atom that belong to the same class
and are equally far away form one *edge*, which has their number. Each distance is kept once for each crystal.

This module imports neither torch nor pymatgen, so worker processes start fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class GraphArrays(NamedTuple):
    """The graphs of C crystals, concatenated. Indices count within a crystal.

    Integers are int32 in memory (``elements``: uint8). In the file each array has the narrowest type that holds it.

    Attributes:
        class_counts: (C,), number of classes of each crystal.
        distance_counts: (C,), number of distances of each crystal.
        elements: (classes,), atomic number minus one.
        multiplicities: (classes,), number of atoms in each class.
        edge_counts: (classes,), number of edges of each class.
        neighbours: (edges,), class of the neighbours. The edges of a class are consecutive, nearest first.
        shells: (edges,), index of the neighbours' distance among the crystal's distances.
        repeats: (edges,), number of neighbours that the edge stands for.
        distances: float32 (distances,), Å, ascending within a crystal.
    """

    class_counts: np.ndarray
    distance_counts: np.ndarray
    elements: np.ndarray
    multiplicities: np.ndarray
    edge_counts: np.ndarray
    neighbours: np.ndarray
    shells: np.ndarray
    repeats: np.ndarray
    distances: np.ndarray


LEVELS = {
    "crystal": ("class_counts", "distance_counts"),
    "class": ("elements", "multiplicities", "edge_counts"),
    "edge": ("neighbours", "shells", "repeats"),
    "distance": ("distances",),
}
"""The arrays with one element for each crystal, class, edge or distance."""


def end_to_end(graphs: Sequence[GraphArrays]) -> GraphArrays:
    """Concatenate the graphs of several sets of crystals."""
    return GraphArrays(*map(np.concatenate, zip(*graphs, strict=True)))


def first_positions(counts: np.ndarray) -> np.ndarray:
    """Return the start of each part, and the end of the last, after concatenation: int64 (parts + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
