"""Builds crystal graphs exactly as the original CGCNN code does (txie-93/cgcnn, ``data.py``).

pymatgen finds the neighbours, Python sorts them by distance, and the first K are kept. Which of several equally far
neighbours are kept depends on the order of the atoms. The graphs are not folded by symmetry. There is one difference:
if an atom has fewer than K neighbours, the original code fills its list with edges to atom 0, and this code does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dh_project.cgcnn_mp.crystals.sources import Written
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays, end_to_end
from dh_project.cgcnn_mp.graphs.cif import UnusableCrystal, isolated_atom, structure_of


def original_graphs(written: Sequence[Written], radius: float, count: int) -> tuple[GraphArrays, list[str]]:
    """Build the original code's graphs of C crystals.

    Args:
        written: The C structures.
        radius: Cutoff radius, Å.
        count: Neighbours of each atom, at most.

    Returns:
        The graphs, concatenated; an unusable crystal has no class. And C reasons, empty for usable crystals.
    """
    graphs, reasons = [], []
    for one in written:
        try:
            graphs.append(original_graph(one, radius, count))
            reasons.append("")
        except UnusableCrystal as reason:
            graphs.append(_arrays([], [], [], []))
            reasons.append(str(reason))
    return end_to_end(graphs), reasons


def original_graph(written: Written, radius: float, count: int) -> GraphArrays:
    """Build the original code's graph of one crystal.

    Raises:
        UnusableCrystal: The structure cannot be read, or an atom has no neighbour.
    """
    structure = structure_of(written)
    near = structure.get_all_neighbors(radius, include_index=True)
    nearest = [sorted(row, key=lambda neighbour: neighbour[1])[:count] for row in near]
    for site, row in zip(structure, nearest, strict=True):
        if not row:
            raise UnusableCrystal(isolated_atom(site.specie.symbol, radius))
    return _arrays(
        [number - 1 for number in structure.atomic_numbers],
        [len(row) for row in nearest],
        [neighbour[2] for row in nearest for neighbour in row],
        [neighbour[1] for row in nearest for neighbour in row],
    )


def _arrays(
    elements: list[int], edge_counts: list[int], neighbours: list[int], distances: list[float]
) -> GraphArrays:
    shells = np.array(distances, np.float32)
    unique, shell_of = np.unique(shells, return_inverse=True)
    return GraphArrays(
        class_counts=np.array([len(elements)], np.int32),
        distance_counts=np.array([len(unique)], np.int32),
        elements=np.array(elements, np.uint8),
        multiplicities=np.ones(len(elements), np.int32),
        edge_counts=np.array(edge_counts, np.int32),
        neighbours=np.array(neighbours, np.int32),
        shells=shell_of.astype(np.int32),
        repeats=np.ones(len(neighbours), np.int32),
        distances=unique,
    )
