"""Reads structures (CIF files and cells) into arrays.

A plain CIF is written exactly as pymatgen and the Materials Project write a cell without symmetry, and all that it
says agrees. Plain files are read here, many at a time, with the same result as ``Structure.from_str(cif, fmt="cif")``
of pymatgen: the same lattice and coordinates, also rounded to 1/3 and 2/3. ``cif_rules`` reads all other files.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dh_project.cgcnn_mp.crystals.sources import Cell, Written, decode
from dh_project.cgcnn_mp.crystals.tables import HEAVIEST_ELEMENT
from dh_project.cgcnn_mp.graphs.arrays import first_positions
from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal as UnusableCrystal
from dh_project.cgcnn_mp.graphs.cif_rules.careful import read_carefully, too_close
from dh_project.cgcnn_mp.graphs.cif_rules.contents import VOLUME_TOLERANCE
from dh_project.cgcnn_mp.graphs.cif_rules.elements import ATOMIC_NUMBERS, SYMBOLS, parse_formula
from dh_project.cgcnn_mp.graphs.cif_rules.sites import SHORTEST, SITE_TOLERANCE, THIRDS_TOLERANCE
from dh_project.cgcnn_mp.graphs.compiling import compiled
from dh_project.cgcnn_mp.graphs.lattice import FLAT, MOST_ATOMS, THINNEST_CELL, lattice_of, thinnest
from dh_project.cgcnn_mp.graphs.neighbours import find_neighbours

if TYPE_CHECKING:
    from pymatgen.core import Structure

_PAIR = rb"_%s +(\S+)\n"
PLAIN = re.compile(
    rb"(?:#[^\n]*\n)*data_\S*\n"
    rb"_symmetry_space_group_name_H-M +'P 1'\n"
    + b"".join(_PAIR % b"cell_length_%c" % letter for letter in b"abc")
    + b"".join(_PAIR % b"cell_angle_%s" % name for name in (b"alpha", b"beta", b"gamma"))
    + rb"_symmetry_Int_Tables_number +1\n"
    rb"_chemical_formula_structural +([A-Za-z0-9()]+)\n"
    rb"_chemical_formula_sum +'?([A-Za-z0-9 ]+)'?\n"
    + _PAIR
    % b"cell_volume"
    + rb"_cell_formula_units_Z +(\d+)\n"
    rb"loop_\n _symmetry_equiv_pos_site_id\n _symmetry_equiv_pos_as_xyz\n +1 +'x, y, z'\n"
    rb"loop_\n _atom_site_type_symbol\n _atom_site_label\n _atom_site_symmetry_multiplicity\n"
    rb" _atom_site_fract_x\n _atom_site_fract_y\n _atom_site_fract_z\n _atom_site_occupancy\n"
    rb"([A-Za-z0-9 .+\n-]*)"
)
"""A plain CIF. Its groups: six cell parameters, two formulas, the volume, Z, and the table of the sites."""
COLUMNS = 7
SAME_PLACE = 2e-3
"""Fractional distance within which two readers mean the same atom."""
_PART = re.compile(rb"([A-Z][a-z]?)(\d*)")
_NUMBER_OF = {symbol.encode(): number for symbol, number in ATOMIC_NUMBERS.items()}


class Cells(NamedTuple):
    """Structures of C crystals, concatenated.

    Attributes:
        lattices: float64 (C, 3, 3), rows a, b, c, Å.
        atom_counts: int64 (C,); 0 for an unusable crystal.
        numbers: uint8 (N,), atomic numbers.
        coordinates: float64 (N, 3), fractional.
    """

    lattices: np.ndarray
    atom_counts: np.ndarray
    numbers: np.ndarray
    coordinates: np.ndarray

    def one(self, crystal: int) -> Cell:
        """Return one of the structures, by its index."""
        first = int(self.atom_counts[:crystal].sum())
        atoms = slice(first, first + int(self.atom_counts[crystal]))
        return Cell(self.lattices[crystal], self.numbers[atoms], self.coordinates[atoms])


class Remarks(NamedTuple):
    """What is to be said of C crystals.

    Attributes:
        reasons: Why a crystal is unusable; empty for usable crystals.
        notes: What was repaired or assumed; empty if nothing was.
    """

    reasons: list[str]
    notes: list[str]

    @classmethod
    def none(cls, crystals: int) -> Remarks:
        """Return remarks that say nothing."""
        return cls([""] * crystals, [""] * crystals)


def read_structures(written: Sequence[Written]) -> tuple[Cells, Remarks]:
    """Read structures.

    Args:
        written: The contents of C CIF files, or cells.

    Returns:
        The structures, where an unusable crystal has no atoms; and the remarks on them.
    """
    remarks = Remarks.none(len(written))
    plain = _PlainCifs()
    usable = [isinstance(one, bytes) and plain.read(one) for one in written]
    cells = plain.cells()
    if all(usable) and all(cells.atom_counts):
        return cells, remarks
    split = iter(_split(cells))
    parts = []
    for place, (one, is_read) in enumerate(zip(written, usable, strict=True)):
        part = next(split) if is_read else NOTHING
        if not len(part.atomic_numbers):
            try:
                part, remarks.notes[place] = _one_cell(one)
            except UnusableCrystal as error:
                remarks.reasons[place] = str(error)
        parts.append(part)
    return _end_to_end(parts), remarks


NOTHING = Cell(np.eye(3), np.empty(0, np.uint8), np.empty((0, 3)))


def _one_cell(written: Written) -> tuple[Cell, str]:
    """Return one structure and the notes on it."""
    if isinstance(written, Cell):
        return _checked(written), ""
    cell, notes = read_carefully(written)
    return cell, "; ".join(notes)


def _end_to_end(parts: Sequence[Cell]) -> Cells:
    return Cells(
        np.array([part.lattice for part in parts], np.float64).reshape(-1, 3, 3),
        np.array([len(part.atomic_numbers) for part in parts], np.int64),
        np.concatenate([NOTHING.atomic_numbers, *(part.atomic_numbers for part in parts)]),
        np.concatenate([NOTHING.fractional_coordinates, *(part.fractional_coordinates for part in parts)]),
    )


def _split(cells: Cells) -> Iterator[Cell]:
    first = 0
    for lattice, count in zip(cells.lattices, cells.atom_counts.tolist(), strict=True):
        yield Cell(lattice, cells.numbers[first : first + count], cells.coordinates[first : first + count])
        first += count


class _PlainCifs:
    """Collects plain CIF files in lists, and converts them to arrays together."""

    def __init__(self) -> None:
        self._parameters: list[float] = []
        self._counts: list[int] = []
        self._numbers: list[int] = []
        self._coordinates: tuple[list[float], list[float], list[float]] = ([], [], [])

    def read(self, content: bytes) -> bool:
        """Read a file and return whether it is plain."""
        match = PLAIN.fullmatch(content)
        if not match:
            return False
        *parameters, structural, formula, volume, units, table = match.groups()
        values = table.split()
        symbols = values[::COLUMNS]
        try:
            cell = [*map(float, parameters), float(volume)]
            numbers = [_NUMBER_OF[symbol] for symbol in symbols]
            coordinates = [list(map(float, values[column::COLUMNS])) for column in (3, 4, 5)]
        except (ValueError, KeyError):
            return False
        ones = {*values[2::COLUMNS], *values[6::COLUMNS]}
        if len(values) % COLUMNS or ones != {b"1"} or len(numbers) > MOST_ATOMS:
            return False
        counts = Counter(symbols)
        if _counts_of(formula, 1) != counts or _counts_of(structural, int(units)) != counts:
            return False
        self._parameters += cell
        self._counts.append(len(numbers))
        self._numbers += numbers
        for all_of, own in zip(self._coordinates, coordinates, strict=True):
            all_of += own
        return True

    def cells(self) -> Cells:
        """Return the structures; those that turn out not to be plain have no atoms."""
        counts = np.array(self._counts, np.int64)
        parameters = np.array(self._parameters, np.float64).reshape(-1, 7)
        coordinates = np.array(self._coordinates, np.float64).T.copy()
        lattices = np.empty((len(counts), 3, 3))
        plain = np.empty(len(counts), np.bool_)
        finish_plain(parameters, first_positions(counts), coordinates, lattices, plain)
        numbers = np.array(self._numbers, np.uint8)
        if not plain.all():
            kept = np.repeat(plain, counts)
            counts, numbers, coordinates = np.where(plain, counts, 0), numbers[kept], coordinates[kept]
        return Cells(lattices, counts, numbers, coordinates)


def _counts_of(formula: bytes, units: int) -> dict[bytes, float]:
    """Return the number of each element in some units of a formula."""
    if b"(" in formula:
        counts = parse_formula(formula.decode()) or {}
        return {symbol.encode(): units * number for symbol, number in counts.items()}
    return {symbol: units * int(number or 1) for symbol, number in _PART.findall(formula)}


@compiled
def finish_plain(
    parameters: np.ndarray,
    first: np.ndarray,
    coordinates: np.ndarray,
    lattices: np.ndarray,
    plain: np.ndarray,
) -> None:
    """Compute lattices and round coordinates as pymatgen does, and find the crystals that are not plain after all.

    Args:
        parameters: float64 (C, 7), a, b, c in Å; alpha, beta, gamma in degrees; the volume as the file gives it, Å³.
        first: int64 (C + 1,), index of each crystal's first atom, and the number of all atoms.
        coordinates: float64 (N, 3), fractional. They are rounded and moved into the cell in place.
        lattices: float64 (C, 3, 3), output.
        plain: bool (C,), output: False if the cell is flat or not finite or has another volume, or two atoms are at
            the same place.
    """
    for crystal in range(len(parameters)):
        lattice = lattice_of(parameters[crystal])
        lattices[crystal] = lattice
        good = thinnest(lattice) > THINNEST_CELL
        a, b, c = lattice[0], lattice[1], lattice[2]
        volume = abs(a[0] * b[1] * c[2] - a[2] * b[1] * c[0])
        good = good and abs(parameters[crystal, 6] / volume - 1) <= VOLUME_TOLERANCE
        for atom in range(first[crystal], first[crystal + 1]):
            for axis in range(3):
                value = coordinates[atom, axis]
                for third in (1 / 3, 2 / 3):
                    if abs(value / third - 1) <= THIRDS_TOLERANCE:
                        value = third
                good = good and math.isfinite(value)
                coordinates[atom, axis] = value - math.floor(value) if good else 0.0
            for other in range(first[crystal], atom):
                near = True
                for axis in range(3):
                    apart = coordinates[atom, axis] - coordinates[other, axis]
                    if abs(apart - round(apart)) > 1.001 * SITE_TOLERANCE:
                        near = False
                        break
                good = good and not near
        plain[crystal] = good


def _checked(cell: Cell) -> Cell:
    numbers = np.asarray(cell.atomic_numbers)
    if len(numbers) > MOST_ATOMS:
        raise UnusableCrystal(f"too many atoms: {len(numbers):,}, at most {MOST_ATOMS:,} fit")
    for number in numbers[(numbers < 1) | (numbers > HEAVIEST_ELEMENT)][:1]:
        raise UnusableCrystal(f"no element: atomic number {number} on a site")
    if not len(numbers):
        raise UnusableCrystal("no atoms in the cell")
    if not thinnest(np.asarray(cell.lattice, np.float64)) > THINNEST_CELL:
        raise UnusableCrystal(FLAT)
    if not np.isfinite(cell.fractional_coordinates).all():
        raise UnusableCrystal("a coordinate is not finite")
    return Cell(cell.lattice, numbers.astype(np.uint8), cell.fractional_coordinates)


def isolated_atom(symbol: str, radius: float) -> str:
    """Return the reason for a crystal with an atom, of this element, that has no neighbour."""
    return f"isolated atom: {symbol} has no neighbour within {radius:g} Å"


def overlapping(cell: Cell) -> str:
    """Return the reason for a cell with two atoms that are closer than any two atoms can be; empty if none are."""
    first, others, distances = find_neighbours(cell.lattice, cell.fractional_coordinates, SHORTEST, 1)
    for atom in np.flatnonzero(np.diff(first))[:1].tolist():
        pair = (SYMBOLS[cell.atomic_numbers[index] - 1] for index in (atom, others[first[atom]]))
        return too_close(" and ".join(pair), distances[first[atom]])
    return ""


def structure_of(written: Written) -> tuple[Structure, str]:
    """Return a structure as an object of pymatgen, and the notes on it.

    If pymatgen reads the same crystal from a CIF file, its atoms have the order and the last digits of pymatgen.

    Raises:
        UnusableCrystal: The structure cannot be read.
    """
    from pymatgen.core import Structure  # slow to import

    cells, remarks = read_structures([written])
    if remarks.reasons[0]:
        raise UnusableCrystal(remarks.reasons[0])
    cell = cells.one(0)
    if reason := overlapping(cell):
        raise UnusableCrystal(reason)
    found = Structure(cell.lattice, cell.atomic_numbers.tolist(), cell.fractional_coordinates)
    if isinstance(written, bytes):
        found.sort()  # as pymatgen sorts what it reads
        theirs = parse_with_pymatgen(written)
        if theirs is not None and theirs.is_ordered and _is_same(theirs, found):
            found = theirs
    return found, remarks.notes[0]


def parse_with_pymatgen(content: bytes) -> Structure | None:
    """Return the first structure of a CIF, as ``Structure.from_file`` does; None if it cannot be read."""
    from pymatgen.core import Structure  # slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cif_rules has judged the file
        try:
            return Structure.from_str(decode(content), fmt="cif")
        except MemoryError:
            raise
        except Exception:  # the parser may raise anything
            return None


def _is_same(one: Structure, other: Structure) -> bool:
    """Return whether two structures have the same lattice, and the same atoms in any order."""
    numbers, others = np.array(one.atomic_numbers), np.array(other.atomic_numbers)
    if not np.array_equal(np.sort(numbers), np.sort(others)):
        return False
    for number, place in zip(numbers, one.frac_coords, strict=True):
        apart = other.frac_coords[others == number] - place
        if np.abs(apart - np.rint(apart)).max(1).min() > SAME_PLACE:
            return False
    return np.allclose(one.lattice.matrix, other.lattice.matrix)
