"""Reads a CIF file as a crystallographer would: nothing is guessed without a word."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dh_project.cgcnn_mp.crystals.sources import Cell
from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal
from dh_project.cgcnn_mp.graphs.cif_rules.block import Structure, only_structure
from dh_project.cgcnn_mp.graphs.cif_rules.contents import check_contents, check_volume
from dh_project.cgcnn_mp.graphs.cif_rules.elements import ATOMIC_NUMBERS
from dh_project.cgcnn_mp.graphs.cif_rules.sites import (
    SHORTEST,
    SITE_TOLERANCE,
    Sites,
    apply_operations,
    read_sites,
)
from dh_project.cgcnn_mp.graphs.cif_rules.symmetry import Operations, find_operations
from dh_project.cgcnn_mp.graphs.lattice import FLAT, MOST_ATOMS, THINNEST_CELL, lattice_of, thinnest
from dh_project.cgcnn_mp.graphs.neighbours import find_neighbours

CELL = tuple(f"_cell_length_{name}" for name in "abc") + tuple(
    f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma")
)


class Read(NamedTuple):
    """A structure that was read, and notes on what was repaired or assumed, one sentence each."""

    cell: Cell
    notes: list[str]


def read_carefully(content: bytes) -> Read:
    """Read a CIF file.

    Raises:
        UnusableCrystal: The file does not say clearly which atoms are where; the message is the true reason.
    """
    structure = only_structure(content)
    lattice = _lattice(structure)
    volume = float(abs(np.linalg.det(lattice)))
    check_volume(structure, volume)
    sites, notes = read_sites(structure)
    choices, assumed = find_operations(structure, lattice)
    read: list[Read] = []
    reasons: list[str] = []
    for operations in choices:
        try:
            read.append(_atoms(structure, sites, operations, lattice, volume))
        except UnusableCrystal as reason:
            reasons.append(str(reason))
    if not read:
        raise UnusableCrystal(reasons[0])
    if len(read) > 1:
        names = " or ".join(one.name for one in choices)
        raise UnusableCrystal(
            f"the space group is {names}, and the file does not say which: add the operations"
        )
    if reasons:
        assumed = [*assumed, f"of {' and '.join(one.name for one in choices)}, only one fits the atoms"]
    (found,) = read
    return Read(found.cell, [*notes, *assumed, *found.notes])


def _lattice(structure: Structure) -> np.ndarray:
    parameters = []
    for tag in CELL:
        number = structure.number(tag)
        if number is None:
            raise UnusableCrystal(f"no {tag}")
        parameters.append(number)
    lattice = lattice_of(np.array(parameters))
    if not thinnest(lattice) > THINNEST_CELL or min(parameters) <= 0 or max(parameters[3:]) >= 180:
        raise UnusableCrystal(FLAT)
    return lattice


def _atoms(
    structure: Structure, sites: Sites, operations: Operations, lattice: np.ndarray, volume: float
) -> Read:
    atoms, notes = apply_operations(sites, operations, lattice, MOST_ATOMS)
    _check_distances(sites, atoms.sites, lattice, atoms.coordinates)
    notes += check_contents(structure, sites, atoms, operations, volume)
    numbers = np.array([ATOMIC_NUMBERS[element] for element in sites.elements], np.uint8)
    return Read(Cell(lattice, numbers[atoms.sites], atoms.coordinates), notes)


def _check_distances(sites: Sites, owners: np.ndarray, lattice: np.ndarray, coordinates: np.ndarray) -> None:
    """Refuse atoms at the same place, and atoms that are closer than any two atoms can be."""
    first, others, distances = find_neighbours(lattice, coordinates, SHORTEST, 1)
    for atom in np.flatnonzero(np.diff(first))[:1].tolist():
        one, other = (sites.labels[owners[index]] for index in (atom, others[first[atom]]))
        distance = distances[first[atom]]
        if distance <= SITE_TOLERANCE * np.abs(lattice).sum(1).max():
            raise UnusableCrystal(f"occupancy 2 at site {one}: {_also(one, other)} lies on it too")
        raise UnusableCrystal(too_close(f"{one} and {_also(one, other)}", distance))


def _also(one: str, other: str) -> str:
    return "its own image" if one == other else other


def too_close(pair: str, distance: float) -> str:
    """Return the reason for a crystal with two atoms that are too close."""
    return f"atoms too close: {pair} are {distance:.2g} Å apart; is the cell in Å, and each atom listed once?"
