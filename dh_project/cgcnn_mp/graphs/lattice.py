"""The lattice of a cell from its lengths and angles, and the limits of a cell."""

from __future__ import annotations

import math

import numpy as np

from dh_project.cgcnn_mp.graphs.compiling import compiled

MOST_ATOMS = int(np.iinfo(np.int16).max)
THINNEST_CELL = 0.011
"""Smallest distance between opposite faces of a cell, Å; pymatgen refuses 0.01."""
FLAT = "the cell is flat, or not finite"


@compiled
def lattice_of(parameters: np.ndarray) -> np.ndarray:
    """Return the lattice of a cell as pymatgen orients it.

    Args:
        parameters: float64 (6,), a, b, c in Å, and alpha, beta, gamma in degrees.

    Returns:
        float64 (3, 3), rows a, b, c, Å.
    """
    a, b, c = parameters[0], parameters[1], parameters[2]
    alpha, beta, gamma = (
        math.radians(parameters[3]),
        math.radians(parameters[4]),
        math.radians(parameters[5]),
    )
    cosine = (math.cos(alpha) * math.cos(beta) - math.cos(gamma)) / (math.sin(alpha) * math.sin(beta))
    gamma_star = math.acos(max(-1.0, min(1.0, cosine)))
    lattice = np.zeros((3, 3))
    lattice[0, 0], lattice[0, 2] = a * math.sin(beta), a * math.cos(beta)
    lattice[1, 0] = -b * math.sin(alpha) * math.cos(gamma_star)
    lattice[1, 1] = b * math.sin(alpha) * math.sin(gamma_star)
    lattice[1, 2], lattice[2, 2] = b * math.cos(alpha), c
    return lattice


@compiled
def thinnest(lattice: np.ndarray) -> float:
    """Return the smallest distance between opposite faces of a cell, Å; 0 or NaN if its volume is 0 or NaN."""
    volume = largest = 0.0
    for row in range(3):
        one, other = lattice[(row + 1) % 3], lattice[(row + 2) % 3]
        square = volume = 0.0
        for x in range(3):
            y, z = (x + 1) % 3, (x + 2) % 3
            across = one[y] * other[z] - one[z] * other[y]
            square += across * across
            volume += across * lattice[row, x]
        largest = max(largest, square)
    return abs(volume) / math.sqrt(largest) if largest > 0 else 0.0
