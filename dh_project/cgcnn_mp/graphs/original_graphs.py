"""Builds crystal graphs exactly as the original CGCNN code does (txie-93/cgcnn, ``data.py``).

pymatgen finds the neighbours, Python sorts them by distance, and the first K are kept. Which of several equally far
neighbours are kept depends on the order of the atoms. The graphs are not folded by symmetry.

If an atom has fewer than K neighbours, the original code fills its list with edges to atom 0, 1 Å beyond the cutoff
radius. This is done here only with ``padded``. With the published weights it changes predictions by up to some
eV/atom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dh_project.cgcnn_mp.crystals.sources import Written
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays, end_to_end
from dh_project.cgcnn_mp.graphs.cif import Remarks, UnusableCrystal, isolated_atom, structure_of

if TYPE_CHECKING:
    from pymatgen.core import Structure


def original_graphs(
    written: Sequence[Written], radius: float, count: int, padded: bool = False
) -> tuple[GraphArrays, Remarks]:
    """Build the original code's graphs of C crystals.

    Args:
        written: The C structures.
        radius: Cutoff radius, Å.
        count: Neighbours of each atom, at most.
        padded: Whether to fill up missing neighbours as the original code does.

    Returns:
        The graphs, concatenated; an unusable crystal has no class. And the remarks on the crystals.
    """
    graphs, remarks = [], Remarks.none(len(written))
    for place, one in enumerate(written):
        try:
            structure, remarks.notes[place] = structure_of(one)
            graphs.append(_graph(structure, radius, count, padded))
        except UnusableCrystal as reason:
            graphs.append(_arrays([], [], [], []))
            remarks.reasons[place] = str(reason)
    return end_to_end(graphs), remarks


def original_graph(written: Written, radius: float, count: int, padded: bool = False) -> GraphArrays:
    """Build the original code's graph of one crystal.

    Raises:
        UnusableCrystal: The structure cannot be read; or an atom has no neighbour, and it is not padded.
    """
    return _graph(structure_of(written)[0], radius, count, padded)


def _graph(structure: Structure, radius: float, count: int, padded: bool) -> GraphArrays:
    near = structure.get_all_neighbors(radius, include_index=True)
    nearest = [sorted(row, key=lambda neighbour: neighbour[1])[:count] for row in near]
    edges = [[(neighbour[2], neighbour[1]) for neighbour in row] for row in nearest]
    for site, row in zip(structure, edges, strict=True):
        if padded:
            row += [(0, radius + 1.0)] * (count - len(row))
        elif not row:
            raise UnusableCrystal(isolated_atom(site.specie.symbol, radius))
    return _arrays(
        [number - 1 for number in structure.atomic_numbers],
        [len(row) for row in edges],
        [neighbour for row in edges for neighbour, _ in row],
        [distance for row in edges for _, distance in row],
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
