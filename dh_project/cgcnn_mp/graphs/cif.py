"""Reads structures (CIF files and cells) into arrays.

A plain CIF has one data block, no symmetry operation but the identity, and fully occupied sites of plain elements, as
the Materials Project and pymatgen write it. It is read with gemmi, with the same result as
``Structure.from_str(cif, fmt="cif")`` of pymatgen: the same lattice and coordinates, also rounded to 1/3 and 2/3, and
the same order of atoms. pymatgen itself reads all other CIF files.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from gemmi.cif import Block, read_string

import dh_project as dh
from dh_project.cgcnn_mp.crystals.sources import Cell, Written, decode
from dh_project.cgcnn_mp.crystals.tables import HEAVIEST_ELEMENT
from dh_project.cgcnn_mp.graphs.arrays import first_positions
from dh_project.cgcnn_mp.graphs.compiling import compiled

if TYPE_CHECKING:
    from pymatgen.core import Structure

MOST_ATOMS = int(np.iinfo(np.int16).max)
THIRDS_TOLERANCE = SITE_TOLERANCE = 1e-4
"""Tolerances of pymatgen: relative, for rounding to 1/3 and 2/3; fractional, for two sites at the same place."""
THINNEST_CELL = 0.011
"""Smallest distance between opposite faces of a cell, Å; pymatgen refuses 0.01."""
FLAT = "the cell is flat, or not finite"

_PERIODS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn",
    "Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og",
)
SYMBOLS = " ".join(_PERIODS).split()
ATOMIC_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, start=1)}
CELL = tuple(f"_cell_length_{name}" for name in "abc") + tuple(
    f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma")
)
OPERATIONS = (
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_as_xyz_",
    "_space_group_symop_operation_xyz",
    "_space_group_symop_operation_xyz_",
)
"""Tags that pymatgen searches for symmetry operations, in this order."""
COORDINATES = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
SYMBOL, LABEL, OCCUPANCY = (f"_atom_site_{name}" for name in ("type_symbol", "label", "occupancy"))
UNUSUAL = (b"magn", b"moment", b"_atom_type_", b"powder_pattern")
"""Words in files that are left to pymatgen, because they have spins or oxidation states."""


class UnusableCrystal(Exception):
    """A crystal without a graph; the message is the reason."""


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


def read_structures(written: Sequence[Written]) -> tuple[Cells, list[str]]:
    """Read structures.

    Args:
        written: The contents of C CIF files, or cells.

    Returns:
        The structures; an unusable crystal has no atoms. And C reasons, empty for usable crystals.
    """
    plain = _PlainCifs()
    usable = [isinstance(one, bytes) and plain.read(one) for one in written]
    cells = plain.cells()
    if all(usable) and all(cells.atom_counts):
        return cells, [""] * len(written)
    split = iter(_split(cells))
    parts, reasons = [], []
    for one, is_read in zip(written, usable, strict=True):
        part, reason = next(split) if is_read else NOTHING, ""
        try:
            if isinstance(one, Cell):
                part = _checked(one)
            elif not len(part.atomic_numbers):
                part = _cell_of(parse_with_pymatgen(one))
        except UnusableCrystal as error:
            reason = str(error)
        parts.append(part)
        reasons.append(reason)
    return _end_to_end(parts), reasons


NOTHING = Cell(np.eye(3), np.empty(0, np.uint8), np.empty((0, 3)))


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
        if content.count(b"data_") != 1 or any(word in content for word in UNUSUAL):
            return False
        try:
            block = read_string(content).sole_block()
            sites = block.find_loop(COORDINATES[0]).get_loop()
            tags, values = sites.tags, sites.values
            parameters = [float(block.find_value(name)) for name in CELL]
            numbers = [ATOMIC_NUMBERS[symbol] for symbol in _column(SYMBOL, tags, values)]
            coordinates = [list(map(float, _column(name, tags, values))) for name in COORDINATES]
        except (ValueError, TypeError, AttributeError, KeyError, RuntimeError):
            return False
        if LABEL not in tags or len(numbers) > MOST_ATOMS or not _all_ones(OCCUPANCY, tags, values):
            return False
        if not _only_identity(block):
            return False
        self._parameters += parameters
        self._counts.append(len(numbers))
        self._numbers += numbers
        for all_of, own in zip(self._coordinates, coordinates, strict=True):
            all_of += own
        return True

    def cells(self) -> Cells:
        """Return the structures; those that turn out not to be plain have no atoms."""
        counts = np.array(self._counts, np.int64)
        parameters = np.array(self._parameters, np.float64).reshape(-1, 6)
        coordinates = np.array(self._coordinates, np.float64).T.copy()
        lattices = np.empty((len(counts), 3, 3))
        plain = np.empty(len(counts), np.bool_)
        finish_plain(parameters, first_positions(counts), coordinates, lattices, plain)
        numbers = np.array(self._numbers, np.uint8)
        if not plain.all():
            kept = np.repeat(plain, counts)
            counts, numbers, coordinates = np.where(plain, counts, 0), numbers[kept], coordinates[kept]
        return Cells(lattices, counts, numbers, coordinates)


def _column(name: str, tags: list[str], values: list[str]) -> list[str]:
    return values[tags.index(name) :: len(tags)]


def _all_ones(name: str, tags: list[str], values: list[str]) -> bool:
    try:
        return name not in tags or all(float(value) == 1 for value in set(_column(name, tags, values)))
    except ValueError:
        return False


def _only_identity(block: Block) -> bool:
    for name in OPERATIONS:
        operations = block.find_loop(name)
        if len(operations):
            return len(operations) == 1 and operations[0].strip("'\"").replace(" ", "").lower() == "x,y,z"
    return False


@compiled
def finish_plain(
    parameters: np.ndarray,
    first: np.ndarray,
    coordinates: np.ndarray,
    lattices: np.ndarray,
    plain: np.ndarray,
) -> None:
    """Compute lattices and round coordinates as pymatgen does, and find the crystals that it treats specially.

    Args:
        parameters: float64 (C, 6), a, b, c in Å, and alpha, beta, gamma in degrees.
        first: int64 (C + 1,), index of each crystal's first atom, and the number of all atoms.
        coordinates: float64 (N, 3), fractional. They are rounded and moved into the cell in place.
        lattices: float64 (C, 3, 3), output.
        plain: bool (C,), output: False if the cell is flat or not finite, or two atoms are at the same place.
    """
    for crystal in range(len(parameters)):
        a, b, c = parameters[crystal, 0], parameters[crystal, 1], parameters[crystal, 2]
        alpha, beta = math.radians(parameters[crystal, 3]), math.radians(parameters[crystal, 4])
        gamma = math.radians(parameters[crystal, 5])
        cosine = (math.cos(alpha) * math.cos(beta) - math.cos(gamma)) / (math.sin(alpha) * math.sin(beta))
        gamma_star = math.acos(max(-1.0, min(1.0, cosine)))
        lattice = lattices[crystal]
        lattice[:] = 0.0
        lattice[0, 0], lattice[0, 2] = a * math.sin(beta), a * math.cos(beta)
        lattice[1, 0] = -b * math.sin(alpha) * math.cos(gamma_star)
        lattice[1, 1] = b * math.sin(alpha) * math.sin(gamma_star)
        lattice[1, 2], lattice[2, 2] = b * math.cos(alpha), c
        good = thinnest(lattice) > THINNEST_CELL
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


def _checked(cell: Cell) -> Cell:
    numbers = np.asarray(cell.atomic_numbers)
    if len(numbers) > MOST_ATOMS:
        raise UnusableCrystal(_too_many(len(numbers)))
    for number in numbers[(numbers < 1) | (numbers > HEAVIEST_ELEMENT)][:1]:
        raise UnusableCrystal(f"no element: atomic number {number} on a site")
    if not len(numbers):
        raise UnusableCrystal("no atoms in the cell")
    if not thinnest(np.asarray(cell.lattice, np.float64)) > THINNEST_CELL:
        raise UnusableCrystal(FLAT)
    if not np.isfinite(cell.fractional_coordinates).all():
        raise UnusableCrystal("a coordinate is not finite")
    return Cell(cell.lattice, numbers.astype(np.uint8), cell.fractional_coordinates)


def _too_many(atoms: int) -> str:
    return f"too many atoms: {atoms:,}, at most {MOST_ATOMS:,} fit"


def isolated_atom(symbol: str, radius: float) -> str:
    """Return the reason for a crystal with an atom, of this element, that has no neighbour."""
    return f"isolated atom: {symbol} has no neighbour within {radius:g} Å"


def structure_of(written: Written) -> Structure:
    """Return a structure as an object of pymatgen.

    Raises:
        UnusableCrystal: The structure cannot be read, or has sites that are not one full atom of an element.
    """
    from pymatgen.core import Structure  # slow to import

    if isinstance(written, Cell):
        numbers = _checked(written).atomic_numbers.tolist()
        return Structure(written.lattice, numbers, written.fractional_coordinates)
    return parse_with_pymatgen(written)


def parse_with_pymatgen(content: bytes) -> Structure:
    """Return the first structure of a CIF, as ``Structure.from_file`` does.

    Raises:
        UnusableCrystal: The CIF cannot be read, has too many atoms, or a site that is not one full atom of an
            element.
    """
    from pymatgen.core import Structure  # slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structure = Structure.from_str(decode(content), fmt="cif")
        except MemoryError:
            raise
        except Exception as error:  # the parser may raise anything on garbage
            reason = f"{type(error).__name__}: {dh.errors.one_line(error)}"[:120]
            raise UnusableCrystal(f"unparsable CIF: {reason}") from None
    if not structure.is_ordered:
        site = next(site for site in structure if not site.is_ordered)
        raise UnusableCrystal(f"partial occupancy: {site.species_string} on one site")
    if len(structure) > MOST_ATOMS:
        raise UnusableCrystal(_too_many(len(structure)))
    if not thinnest(np.array(structure.lattice.matrix)) > THINNEST_CELL:
        raise UnusableCrystal(FLAT)
    for site in structure:
        if not 1 <= site.specie.Z <= HEAVIEST_ELEMENT:
            raise UnusableCrystal(f"no element: {site.species_string} on a site")
    return structure


def _cell_of(structure: Structure) -> Cell:
    numbers = np.array(structure.atomic_numbers, np.uint8)
    return Cell(structure.lattice.matrix, numbers, structure.frac_coords)
