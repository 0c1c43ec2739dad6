"""Finds the nearest periodic neighbours of each atom of a crystal, in compiled code.

All neighbours are found up to the end of the shell that contains the K-th nearest one. If only a part of this shell
is needed, ``symmetry.py`` chooses it later, when it is known which neighbours are equivalent. A shell is a set of
neighbours whose sorted distances differ by no more than ``SHELL_GAP`` from one to the next.

Lattice points within a sphere are enumerated plane by plane and row by row (Fincke and Pohst, Math. Comput. 44, 463
(1985)). This works for skewed and tiny cells too, and visits few points outside the sphere. The sphere grows until it
is certain to contain the neighbours that are needed.
"""

from __future__ import annotations

import math

import numpy as np

from dh_project.cgcnn_mp.graphs.compiling import compiled

SHELL_GAP = 1e-5
"""Smallest gap between two shells, Å."""
ON_THE_EDGE = 1e-8
"""Tolerance of the cutoff radius, Å, as in pymatgen."""
FIRST_REACH = 1.5
"""Ratio of the neighbours in the first sphere, at the mean density, to the K that are needed."""


@compiled
def triangular(lattice: np.ndarray) -> np.ndarray:
    """Rotate a lattice so that a is along x, and b is in the plane of x and y.

    Args:
        lattice: float64 (3, 3), rows a, b, c, Å; not flat.

    Returns:
        float64 (3, 3), lower triangular, with a positive diagonal.
    """
    turned = np.zeros((3, 3))
    axes = np.empty((3, 3))
    for row in range(3):
        rest = lattice[row].copy()
        for axis in range(row):
            along = 0.0
            for x in range(3):
                along += lattice[row, x] * axes[axis, x]
            turned[row, axis] = along
            for x in range(3):
                rest[x] -= along * axes[axis, x]
        length = math.sqrt(rest[0] * rest[0] + rest[1] * rest[1] + rest[2] * rest[2])
        turned[row, row] = length
        for x in range(3):
            axes[row, x] = rest[x] / length
    return turned


@compiled
def _longer(array: np.ndarray, used: int) -> np.ndarray:
    """Return an array of twice the length that starts with the first ``used`` elements."""
    grown = np.empty(2 * len(array), array.dtype)
    for place in range(used):  # an assignment of slices would take seconds to compile
        grown[place] = array[place]
    return grown


@compiled
def _within(
    lattice: np.ndarray,
    coordinates: np.ndarray,
    atom: int,
    reach: float,
    others: np.ndarray,
    squares: np.ndarray,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Find all neighbours of one atom within a distance.

    Args:
        lattice: float64 (3, 3), lower triangular, Å.
        coordinates: float64 (N, 3), fractional, within the cell.
        atom: Index of the atom.
        reach: The distance, Å.
        others: int32 buffer for the neighbours.
        squares: float64 buffer for their squared distances.

    Returns:
        The number of neighbours, and the two buffers, which are replaced by longer ones if necessary.
    """
    a_x, b_x, b_y = lattice[0, 0], lattice[1, 0], lattice[1, 1]
    c_x, c_y, c_z = lattice[2, 0], lattice[2, 1], lattice[2, 2]
    found = 0
    sphere = reach * reach
    for other in range(len(coordinates)):
        along_a = coordinates[other, 0] - coordinates[atom, 0]
        along_b = coordinates[other, 1] - coordinates[atom, 1]
        along_c = coordinates[other, 2] - coordinates[atom, 2]
        extent = reach / c_z
        for k in range(math.ceil(-along_c - extent), math.floor(-along_c + extent) + 1):
            z = (along_c + k) * c_z
            disc = sphere - z * z
            if disc < 0:
                continue
            middle = -along_b - (along_c + k) * c_y / b_y
            extent_b = math.sqrt(disc) / b_y
            for j in range(math.ceil(middle - extent_b), math.floor(middle + extent_b) + 1):
                y = (along_b + j) * b_y + (along_c + k) * c_y
                segment = disc - y * y
                if segment < 0:
                    continue
                shift = (along_b + j) * b_x + (along_c + k) * c_x
                centre = -along_a - shift / a_x
                extent_a = math.sqrt(segment) / a_x
                for i in range(math.ceil(centre - extent_a), math.floor(centre + extent_a) + 1):
                    if other == atom and i == 0 and j == 0 and k == 0:
                        continue
                    x = (along_a + i) * a_x + shift
                    if found == len(others):
                        others, squares = _longer(others, found), _longer(squares, found)
                    others[found] = other
                    squares[found] = x * x + y * y + z * z
                    found += 1
    return found, others, squares


@compiled
def _sort_by_distance(squares: np.ndarray, others: np.ndarray, found: int) -> None:
    """Sort the first ``found`` neighbours, nearest first (Shell's sort)."""
    for step in (132, 57, 23, 10, 4, 1):
        for end in range(step, found):
            square, other = squares[end], others[end]
            place = end
            while place >= step and squares[place - step] > square:
                squares[place], others[place] = squares[place - step], others[place - step]
                place -= step
            squares[place], others[place] = square, other


@compiled
def _end_of_shell(squares: np.ndarray, found: int, count: int) -> int:
    """Return the end of the shell that contains the ``count``-th nearest of the neighbours found so far."""
    end = min(count, found)
    while end < found and math.sqrt(squares[end]) - math.sqrt(squares[end - 1]) <= SHELL_GAP:
        end += 1
    return end


@compiled
def find_neighbours(
    lattice: np.ndarray, coordinates: np.ndarray, radius: float, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the neighbours of each atom of a crystal, up to the end of the shell of the K-th nearest.

    Args:
        lattice: float64 (3, 3), rows a, b, c, Å; not flat.
        coordinates: float64 (N, 3), fractional; they may lie outside the cell.
        radius: Cutoff radius, Å.
        count: K.

    Returns:
        The index of each atom's first neighbour, and the number of all, int64 (N + 1,); the neighbours, nearest
        first, int32 (B,); their distances, Å, float64 (B,). An atom may have fewer than K neighbours, or none.
    """
    atoms = len(coordinates)
    turned = triangular(lattice)
    wrapped = np.empty((atoms, 3))
    for atom in range(atoms):
        for axis in range(3):
            wrapped[atom, axis] = coordinates[atom, axis] - math.floor(coordinates[atom, axis])
    volume = turned[0, 0] * turned[1, 1] * turned[2, 2] / atoms
    cutoff = radius + ON_THE_EDGE
    start = min(cutoff, (FIRST_REACH * count * volume * 0.75 / math.pi) ** (1 / 3))
    near, squares = np.empty(128, np.int32), np.empty(128)
    first = np.zeros(atoms + 1, np.int64)
    others, distances = np.empty(atoms * (count + 8), np.int32), np.empty(atoms * (count + 8))
    total = 0
    for atom in range(atoms):
        reach = start
        while True:
            found, near, squares = _within(turned, wrapped, atom, reach, near, squares)
            if found >= count or reach >= cutoff:
                _sort_by_distance(squares, near, found)
                end = _end_of_shell(squares, found, count)
                if reach >= cutoff or reach - math.sqrt(squares[end - 1]) > SHELL_GAP:
                    break
            reach = min(cutoff, reach * 1.2)
        while total + end > len(others):
            others, distances = _longer(others, total), _longer(distances, total)
        for neighbour in range(end):
            others[total] = near[neighbour]
            distances[total] = math.sqrt(squares[neighbour])
            total += 1
        first[atom + 1] = total
    return first, others[:total], distances[:total]
