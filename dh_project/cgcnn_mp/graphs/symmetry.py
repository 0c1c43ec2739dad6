"""Folds crystal graphs by symmetry: finds equivalent atoms, and chooses neighbours if only a part of a shell is kept.

*Shells.* All distances of a crystal are sorted. Distances that differ by no more than ``SHELL_GAP`` from one to the
next form a shell, at the mean of its members, but no shell is wider than ``WIDEST_SHELL``.

*Classes.* The first colour of an atom is its atomic number. Its next colour is the rank of its colour together with
the sorted list of (shell, colour) of its neighbours, up to the end of the shell that contains the K-th nearest. Lists
are compared number by number, so the ranks depend only on the crystal. This is repeated until the number of colours
no longer grows (colour refinement; Weisfeiler and Leman, 1968). Atoms of one colour then have the same surroundings
up to any distance, and the same features in every layer.

*The rule for ties.* Neighbours are sorted by shell, and within a shell by colour. The first K are kept. If a part of
a shell is kept, the choice depends only on the surroundings of its members. It does not depend on the order of atoms,
or on the choice of cell, origin or orientation. Members with the same colour are interchangeable. All atoms of a
class have the same list and the same first k entries of it, so the graph is also exact for every smaller number.

*Numerical noise.* Two distances that are about ``SHELL_GAP`` apart may form one shell or two. Noise larger than the
gap makes equivalent atoms different; the graph is then larger, but still exact. If a part of a shell is kept, colours
that differ only by the order of two nearly equal distances may swap their ranks, and other neighbours are kept. A
shell at the cutoff radius may lie only partly within it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dh_project.cgcnn_mp.crystals.sources import Written
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays, first_positions
from dh_project.cgcnn_mp.graphs.cif import Cells, Remarks, isolated_atom, overlapping, read_structures
from dh_project.cgcnn_mp.graphs.cif_rules.elements import SYMBOLS
from dh_project.cgcnn_mp.graphs.cif_rules.sites import SHORTEST
from dh_project.cgcnn_mp.graphs.compiling import compiled
from dh_project.cgcnn_mp.graphs.neighbours import SHELL_GAP, find_neighbours

WIDEST_SHELL = 5 * SHELL_GAP
"""Largest width of a shell, Å. Without it, all distances of a large glass would form one shell."""


@compiled
def _sorted_rows(first: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the order that sorts all distances, int64 (B,). The sorted distances of the atoms are merged."""
    order, merged = np.arange(len(distances)), np.empty(len(distances), np.int64)
    atoms = len(first) - 1
    step = 1
    while step < atoms:
        for left in range(0, atoms, 2 * step):
            here, middle = first[left], first[min(left + step, atoms)]
            there, end = middle, first[min(left + 2 * step, atoms)]
            for place in range(here, end):
                if here < middle and (there == end or distances[order[here]] <= distances[order[there]]):
                    merged[place] = order[here]
                    here += 1
                else:
                    merged[place] = order[there]
                    there += 1
        order, merged = merged, order
        step *= 2
    return order


@compiled
def find_shells(first: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group the distances of a crystal into shells.

    Args:
        first: int64 (N + 1,), index of each atom's first neighbour, and the number of all neighbours.
        distances: float64 (B,), Å, ascending for each atom.

    Returns:
        The shell of each neighbour, int32 (B,), and the distance of each shell, float64 (U,), ascending.
    """
    shells, means = np.empty(len(distances), np.int32), np.empty(len(distances))
    count = -1
    begin = last = total = 0.0
    members = 0
    for neighbour in _sorted_rows(first, distances):
        distance = distances[neighbour]
        if count < 0 or distance - last > SHELL_GAP or distance - begin > WIDEST_SHELL:
            if members:
                means[count] = begin + total / members
            count += 1
            begin, total, members = distance, 0.0, 0
        last = distance
        total += distance - begin
        members += 1
        shells[neighbour] = count
    if members:
        means[count] = begin + total / members
    return shells, means[: count + 1]


@compiled
def _sort_pairs(keys: np.ndarray, partners: np.ndarray, begin: int, end: int) -> None:
    """Sort nearly sorted keys, and their partners with them, by insertion. The sort is stable."""
    for last in range(begin + 1, end):
        key, partner = keys[last], partners[last]
        place = last
        while place > begin and keys[place - 1] > key:
            keys[place], partners[place] = keys[place - 1], partners[place - 1]
            place -= 1
        keys[place], partners[place] = key, partner


@compiled
def _compare(first: np.ndarray, keys: np.ndarray, one: int, other: int) -> int:
    """Compare the key lists of two atoms: return a number below 0, 0, or above 0."""
    lengths = first[one + 1] - first[one], first[other + 1] - first[other]
    for place in range(min(lengths)):
        difference = keys[first[one] + place] - keys[first[other] + place]
        if difference:
            return difference
    return lengths[0] - lengths[1]


@compiled
def _sort_atoms(order: np.ndarray, begin: int, end: int, first: np.ndarray, keys: np.ndarray) -> None:
    """Sort atoms by their key lists, by merging. Sorted atoms cost one comparison each."""
    merged = np.empty(end - begin, np.int64)
    step = 1
    while step < end - begin:
        for here in range(begin, end - step, 2 * step):
            middle, last = here + step, min(here + 2 * step, end)
            if _compare(first, keys, order[middle - 1], order[middle]) <= 0:
                continue
            left, right = here, middle
            for place in range(last - here):
                if right == last or (left < middle and _compare(first, keys, order[left], order[right]) <= 0):
                    merged[place] = order[left]
                    left += 1
                else:
                    merged[place] = order[right]
                    right += 1
            for place in range(last - here):
                order[here + place] = merged[place]
        step *= 2


@compiled
def find_classes(
    numbers: np.ndarray, first: np.ndarray, others: np.ndarray, shells: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Colour the atoms of a crystal, and sort their neighbours by shell and colour.

    Args:
        numbers: uint8 (N,), atomic numbers.
        first: int64 (N + 1,), index of each atom's first neighbour, and the number of all neighbours.
        others: int32 (B,), the neighbours; sorted in place.
        shells: int32 (B,), their shells, ascending for each atom.

    Returns:
        The colour of each atom, int64 (N,); for each neighbour its shell times the number of colours plus its colour,
        int64 (B,), ascending for each atom; and the number of colours.
    """
    atoms = len(numbers)
    colours, order = np.empty(atoms, np.int64), np.empty(atoms, np.int64)
    keys = np.empty(len(others), np.int64)
    after = np.zeros(256, np.int64)
    for number in numbers:
        after[number] += 1
    count = ended = 0
    for number in range(256):
        if after[number]:
            ended += after[number]
            after[number] = ended
            count += 1
    for atom in range(atoms):
        after[numbers[atom]] -= 1
        order[after[numbers[atom]]] = atom
    colour = 0
    for place in range(atoms):
        if place and numbers[order[place]] != numbers[order[place - 1]]:
            colour += 1
        colours[order[place]] = colour
    starts = np.empty(atoms + 1, np.int64)
    while True:
        for atom in range(atoms):
            for place in range(first[atom], first[atom + 1]):
                keys[place] = shells[place] * count + colours[others[place]]
            _sort_pairs(keys, others, first[atom], first[atom + 1])
        if count == atoms:
            break
        refined = 0
        begin = 0
        while begin < atoms:
            end = begin + 1
            while end < atoms and colours[order[end]] == colours[order[begin]]:
                end += 1
            _sort_atoms(order, begin, end, first, keys)
            for place in range(begin, end):
                if place == begin or _compare(first, keys, order[place - 1], order[place]) != 0:
                    starts[refined] = place
                    refined += 1
            begin = end
        if refined == count:
            break
        starts[refined] = atoms
        for colour in range(refined):
            for place in range(starts[colour], starts[colour + 1]):
                colours[order[place]] = colour
        count = refined
    return colours, keys, count


@compiled
def _fold_block(
    lattices: np.ndarray,
    first_atom: np.ndarray,
    numbers: np.ndarray,
    coordinates: np.ndarray,
    radius: float,
    most: int,
    quotient: bool,
) -> tuple[np.ndarray, ...]:
    """Do the work of ``fold``: return the isolated atoms, whether atoms are too close, and the arrays."""
    crystals, atoms = len(lattices), len(numbers)
    isolated = np.full(crystals, -1, np.int64)
    crowded = np.zeros(crystals, np.bool_)
    sizes = np.zeros((crystals, 2), np.int32)
    elements, multiplicities = np.empty(atoms, np.uint8), np.empty(atoms, np.int32)
    edge_counts = np.empty(atoms, np.int32)
    neighbours, shells = np.empty(atoms * most, np.int32), np.empty(atoms * most, np.int32)
    repeats, distances = np.empty(atoms * most, np.int32), np.empty(atoms * most, np.float32)
    classes = edges = lengths = 0
    for crystal in range(crystals):
        here = slice(first_atom[crystal], first_atom[crystal + 1])
        own = numbers[here]
        first, others, away = find_neighbours(lattices[crystal], coordinates[here], radius, most)
        for atom in range(len(own)):
            if first[atom + 1] == first[atom]:
                isolated[crystal] = atom
                break
        if isolated[crystal] >= 0 or not len(own):
            continue
        shell_of, means = find_shells(first, away)
        if means[0] < SHORTEST:
            crowded[crystal] = True
            continue
        colours, keys, count = find_classes(own, first, others, shell_of)
        class_of = np.full(count if quotient else len(own), -1, np.int64)
        for atom in range(len(own)):
            own_class = colours[atom] if quotient else atom
            if class_of[own_class] < 0:
                class_of[own_class] = atom
                multiplicities[classes + own_class] = 0
            multiplicities[classes + own_class] += 1
        used = np.full(len(means), -1, np.int32)
        first_edge = edges
        for own_class in range(len(class_of)):
            atom = class_of[own_class]
            begin, before = first[atom], edges
            for place in range(begin, min(begin + most, first[atom + 1])):
                if quotient and place > begin and keys[place] == keys[place - 1]:
                    repeats[edges - 1] += 1
                    continue
                neighbours[edges] = keys[place] % count if quotient else others[place]
                shells[edges] = keys[place] // count
                used[shells[edges]] = 0
                repeats[edges] = 1
                edges += 1
            elements[classes + own_class] = own[atom] - 1
            edge_counts[classes + own_class] = edges - before
        classes += len(class_of)
        kept = 0
        for shell in range(len(means)):
            if used[shell] == 0:
                used[shell] = kept
                distances[lengths + kept] = means[shell]
                kept += 1
        lengths += kept
        for edge in range(first_edge, edges):
            shells[edge] = used[shells[edge]]
        sizes[crystal, 0], sizes[crystal, 1] = len(class_of), kept
    return (
        isolated,
        crowded,
        sizes[:, 0].copy(),
        sizes[:, 1].copy(),
        elements[:classes],
        multiplicities[:classes],
        edge_counts[:classes],
        neighbours[:edges],
        shells[:edges],
        repeats[:edges],
        distances[:lengths],
    )


def fold(
    cells: Cells, radius: float, count: int, quotient: bool = True
) -> tuple[GraphArrays, np.ndarray, np.ndarray]:
    """Build the graphs of C crystals.

    Args:
        cells: The crystals.
        radius: Cutoff radius, Å.
        count: Neighbours of each atom, at most.
        quotient: Whether to fold by symmetry. If not, every atom is a class and every neighbour an edge.

    Returns:
        The graphs, concatenated; a crystal without atoms, with an isolated atom, or with atoms closer than
        ``SHORTEST`` has no class. The index of the isolated atom in each crystal, int64 (C,), or -1. And whether
        atoms are too close, bool (C,).
    """
    first_atom = first_positions(cells.atom_counts)
    isolated, crowded, *arrays = _fold_block(
        cells.lattices,
        first_atom,
        cells.numbers,
        cells.coordinates,
        float(radius),
        int(count),
        bool(quotient),
    )
    return GraphArrays(*arrays), isolated, crowded


def folded_graphs(
    written: Sequence[Written], radius: float, count: int, quotient: bool = True
) -> tuple[GraphArrays, Remarks]:
    """Read C structures and build their graphs.

    Args:
        written: The C structures.
        radius: Cutoff radius, Å.
        count: Neighbours of each atom, at most.
        quotient: Whether to fold by symmetry.

    Returns:
        The graphs, concatenated; an unusable crystal has no class. And the remarks on the crystals.
    """
    cells, remarks = read_structures(written)
    arrays, isolated, crowded = fold(cells, radius, count, quotient)
    for crystal in np.flatnonzero(isolated >= 0).tolist():
        number = cells.numbers[cells.atom_counts[:crystal].sum() + isolated[crystal]]
        remarks.reasons[crystal] = isolated_atom(SYMBOLS[number - 1], radius)
    for crystal in np.flatnonzero(crowded).tolist():
        remarks.reasons[crystal] = overlapping(cells.one(crystal))
    return arrays, remarks
