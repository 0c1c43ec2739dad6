"""Crystal graphs as flat arrays: what is computed once, kept in a file, and mapped by every trial.

A crystal graph has an atom a node and, for each atom, its nearest periodic neighbours within the cutoff radius
(Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)). Here it is kept folded by symmetry: atoms that see the
same surroundings carry the same features in every layer, so that one *class* stands for all of them (the quotient
graph; "asymmetric unit cells" in Ruff et al., arXiv:2302.14102). Neighbours of an atom that are of one class and
equally far are one *edge*, which says how many of them there are. Distances are kept once a crystal.

This module imports neither torch nor pymatgen: worker processes start with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class GraphArrays(NamedTuple):
    """The graphs of C crystals, end to end; indices count within a crystal.

    In memory, integers are int32 (elements uint8); in the file, each array is of the narrowest type that holds it.

    Attributes:
        class_counts: (C,), classes of each crystal.
        distance_counts: (C,), distances of each crystal.
        elements: (classes,), atomic number less one.
        multiplicities: (classes,), atoms that each class stands for.
        edge_counts: (classes,), edges of each class.
        neighbours: (edges,), class of the neighbours; the edges of a class follow each other, nearest first.
        shells: (edges,), which of the crystal's distances the neighbours lie at.
        repeats: (edges,), neighbours that the edge stands for.
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
"""The arrays that have an element a crystal, a class, an edge, a distance."""


def end_to_end(graphs: Sequence[GraphArrays]) -> GraphArrays:
    """Join the graphs of one or more sets of crystals."""
    return GraphArrays(*map(np.concatenate, zip(*graphs, strict=True)))


def first_positions(counts: np.ndarray) -> np.ndarray:
    """Return where parts of these sizes begin when they lie end to end, and where the last ends, int64."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
