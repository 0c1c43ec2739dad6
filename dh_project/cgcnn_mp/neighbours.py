"""The graph of one crystal: its atoms and, for each, the nearest periodic neighbours.

Distances are pymatgen's. The order of neighbours is this project's, because the K-th and the next neighbour
often lie equally far and then "the K nearest" alone says too little:

1. Neighbours whose distances follow each other by less than ``SHELL_GAP`` form one shell; nearer shells come
   first.
2. Within a shell: lower atomic number first, then the neighbour whose own surroundings are tighter (its
   sorted distances compared one by one, rounded to ``SURROUNDINGS_STEP``), then the lower index.

So as far as their surroundings differ, which members of a shell are kept does not depend on the order of
atoms. Distances ascend to within the gap. What noise in coordinates can still change: two shells about one
gap apart merge, and surroundings that differ by about a rounding step swap places.

This module imports neither torch nor the rest of the package's machinery: worker processes start with it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dh_project.cgcnn_mp.crystals import Cell, Written, decode
from dh_project.cgcnn_mp.tables import HEAVIEST_ELEMENT

if TYPE_CHECKING:
    from pymatgen.core import Structure

SHELL_GAP = 1e-5
"""Å between one shell and the next, at least."""
SURROUNDINGS_STEP = 1e-3
"""Å, the resolution at which the surroundings of two atoms are compared."""
MOST_ATOMS = np.iinfo(np.int16).max


class UnusableCrystal(Exception):
    """A crystal that no graph can be made of; the message is the reason."""


class Graph(NamedTuple):
    """The graph of one crystal of N atoms.

    Attributes:
        elements: uint8 (N,), atomic number less one.
        neighbours: int16 (N, K), index of each neighbour, nearest first; 0 where there is none.
        distances: float32 (N, K), Å; inf where there is none.
    """

    elements: np.ndarray
    neighbours: np.ndarray
    distances: np.ndarray


def build_graph(written: Written, radius: float, count: int) -> Graph:
    """Make the graph of a structure as its source has it.

    Args:
        written: The content of a CIF file, or a cell.
        radius: Cutoff, Å.
        count: Neighbours an atom, K.

    Raises:
        UnusableCrystal: The CIF is not readable, a site is partly occupied or holds no element, an atom has
            no neighbour within the radius, or there are too many atoms.
    """
    from pymatgen.core import Structure  # slow to import

    if isinstance(written, Cell):
        structure = Structure(
            written.lattice, written.atomic_numbers.tolist(), written.fractional_coordinates
        )
    else:
        structure = _parse(decode(written))
    numbers = _atomic_numbers(structure)
    centres, others, _, distances = structure.get_neighbor_list(radius)
    isolated = np.flatnonzero(np.bincount(centres, minlength=len(numbers)) == 0)
    if len(isolated):
        site = structure[int(isolated[0])]
        raise UnusableCrystal(f"isolated atom: {site.label} has no neighbour within {radius:g} Å")
    return Graph((numbers - 1).astype(np.uint8), *_nearest(numbers, centres, others, distances, count))


def _parse(cif: str) -> Structure:
    """Return the first structure of a CIF, as ``Structure.from_file`` does."""
    from pymatgen.core import Structure

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Structure.from_str(cif, fmt="cif")
        except Exception as error:  # whatever a parser may raise on garbage
            raise UnusableCrystal(f"unparsable CIF: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    """Return an error's type and the first 120 characters of its message, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:120]


def _atomic_numbers(structure: Structure) -> np.ndarray:
    """Return the atomic number of each site, int64 (N,); a site must be one whole atom of an element."""
    if not structure.is_ordered:
        site = next(site for site in structure if not site.is_ordered)
        raise UnusableCrystal(f"partial occupancy: {site.species_string} on one site")
    if len(structure) > MOST_ATOMS:
        raise UnusableCrystal(f"too many atoms: {len(structure)}, at most {MOST_ATOMS} fit")
    for site in structure:
        if not 1 <= site.specie.Z <= HEAVIEST_ELEMENT:
            raise UnusableCrystal(f"no element: {site.species_string} on a site")
    return np.array(structure.atomic_numbers, dtype=np.int64)


def _nearest(
    numbers: np.ndarray, centres: np.ndarray, others: np.ndarray, distances: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose and order the nearest neighbours as the module's docstring says.

    Args:
        numbers: Atomic number of each atom, (N,).
        centres: For each of E bonds, the atom that it belongs to, (E,); every atom has one at least.
        others: The neighbour, (E,).
        distances: Å, (E,).
        count: K.

    Returns:
        Neighbours, int16 (N, K), and distances, float32 (N, K), padded with 0 and inf.
    """
    order = np.lexsort((distances, centres))
    centres, others, distances = centres[order], others[order], distances[order]
    first = np.searchsorted(centres, np.arange(len(numbers)))
    rank = np.arange(len(centres)) - first[centres]
    kept = rank < count

    surroundings = np.full((len(numbers), count), np.inf)
    surroundings[centres[kept], rank[kept]] = np.rint(distances[kept] / SURROUNDINGS_STEP)
    _, kind = np.unique(np.column_stack((numbers, surroundings)), axis=0, return_inverse=True)

    new_shell = (np.diff(distances, prepend=0) > SHELL_GAP) | (rank == 0)
    order = np.lexsort((others, kind[others], np.cumsum(new_shell)))
    nearest = np.zeros((len(numbers), count), dtype=np.int16)
    nearest[centres[kept], rank[kept]] = others[order][kept]
    lengths = np.full((len(numbers), count), np.inf, dtype=np.float32)
    lengths[centres[kept], rank[kept]] = distances[order][kept]
    return nearest, lengths
