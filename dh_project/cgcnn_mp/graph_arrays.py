"""Crystal graphs as flat arrays: what is computed once, kept in a file, and mapped by every trial.

A crystal graph has an atom a node and, for each atom, its nearest periodic neighbours within the cutoff radius
(Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)). Here it is kept folded by symmetry: atoms that see the
same surroundings carry the same features in every layer, so that one *class* stands for all of them (the quotient
graph; "asymmetric unit cells" in Ruff et al., arXiv:2302.14102). Neighbours of an atom that are of one class and
equally far are one *edge*, which says how many of them there are. Distances are kept once a crystal.

This module imports neither torch nor pymatgen: worker processes start with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class GraphArrays(NamedTuple):
    """The graphs of C crystals, end to end; indices count within a crystal.

    Attributes:
        class_counts: int64 (C,), classes of each crystal.
        distance_counts: int64 (C,), distances of each crystal.
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
