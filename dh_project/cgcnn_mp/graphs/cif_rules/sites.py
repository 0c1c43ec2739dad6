"""Reads elements, coordinates and occupancies of the sites, and applies the symmetry operations to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal
from dh_project.cgcnn_mp.graphs.cif_rules.block import COORDINATES, NULL, Number, Structure, parse_number
from dh_project.cgcnn_mp.graphs.cif_rules.elements import elements_of_label, elements_of_type, parse_formula
from dh_project.cgcnn_mp.graphs.cif_rules.symmetry import Operations

LABEL, TYPE, OCCUPANCY, CALCULATED, HYDROGENS, MULTIPLICITY = (
    f"_atom_site_{name}"
    for name in (
        "label",
        "type_symbol",
        "occupancy",
        "calc_flag",
        "attached_hydrogens",
        "symmetry_multiplicity",
    )
)
ASSEMBLY, GROUP, ALTERNATIVE = (
    "_atom_site_disorder_assembly",
    "_atom_site_disorder_group",
    "_atom_site_label_alt_id",
)

THIRDS_TOLERANCE = SITE_TOLERANCE = 1e-4
"""Tolerances of pymatgen: relative, for rounding to 1/3 and 2/3; fractional, for two sites at the same place."""
DIGITS_APART = 3
"""Units in the last written digit by which the images of one site may differ and still be one atom."""
NOISE = 1e-9
"""Fractional distance of images that differ by the rounding of a computer only."""
SHORTEST = 0.5
"""Shortest possible distance between two atoms, Å. The shortest of 33,093 crystals is 0.749."""
FARTHEST = 10.0
"""Largest absolute value of a fractional coordinate; what lies beyond is in another unit."""


class Sites(NamedTuple):
    """The S sites that a file lists.

    Attributes:
        labels: Names in messages.
        elements: Element symbols.
        coordinates: float64 (S, 3), fractional, rounded to 1/3 and 2/3 as pymatgen does.
        digit: One unit in the last written digit of the coordinates.
        multiplicities: Number of equivalent atoms of each site as the file gives it, or None.
    """

    labels: list[str]
    elements: list[str]
    coordinates: np.ndarray
    digit: float
    multiplicities: list[float] | None


class Atoms(NamedTuple):
    """The N atoms of a cell.

    Attributes:
        sites: int64 (N,), index of each atom's site.
        coordinates: float64 (N, 3), fractional, in the cell.
    """

    sites: np.ndarray
    coordinates: np.ndarray


def read_sites(structure: Structure) -> tuple[Sites, list[str]]:
    """Read the sites that are atoms, and notes on the others.

    Raises:
        UnusableCrystal: A site is not one full atom of an element at a known place.
    """
    coordinates = list(zip(*(structure.site_values(tag) or [] for tag in COORDINATES), strict=True))
    given_labels, types = structure.site_values(LABEL), structure.site_values(TYPE)
    labels = given_labels or types or [f"number {site + 1}" for site in range(len(coordinates))]
    occupancies = structure.site_values(OCCUPANCY) or ["1"] * len(labels)
    flags = structure.site_values(CALCULATED) or [""] * len(labels)
    _check_alternatives(structure, labels)
    _check_hydrogens(structure, labels)
    kept, notes = [], []
    for site, label in enumerate(labels):
        if flags[site].lower() == "dum":
            notes.append(f"site {label} is a dummy, and left out")
        elif not _occupied(label, occupancies[site]):
            notes.append(f"site {label} has the occupancy 0, and is left out")
        else:
            kept.append(site)
    if not kept:
        raise UnusableCrystal("no atoms in the cell")
    formula = parse_formula(structure.text("_chemical_formula_sum")) or {}
    elements = [_element(site, given_labels, types, formula) for site in kept]
    numbers = [[_coordinate(labels[site], text) for text in coordinates[site]] for site in kept]
    given = structure.site_values(MULTIPLICITY)
    parsed = [parse_number(given[site]) for site in kept] if given else [None]
    multiplicities = [one.value for one in parsed if one is not None]
    return Sites(
        [labels[site] for site in kept],
        elements,
        _at_thirds(np.array([[number.value for number in row] for row in numbers])),
        min(number.digit for row in numbers for number in row),
        multiplicities if len(multiplicities) == len(parsed) else None,
    ), notes


def _check_alternatives(structure: Structure, labels: Sequence[str]) -> None:
    """Refuse sites that exclude each other."""
    for tag in (GROUP, ALTERNATIVE):
        groups = structure.site_values(tag) or [""] * len(labels)
        assemblies = structure.site_values(ASSEMBLY) or [""] * len(labels)
        first: dict[str, tuple[str, str]] = {}
        for label, group, assembly in zip(labels, groups, assemblies, strict=True):
            if group in ("", "0", *NULL):
                continue
            other, its_group = first.setdefault(assembly, (label, group))
            if group.startswith("-") or group != its_group:
                among = "symmetry images of itself" if other == label else f"site {other}"
                raise UnusableCrystal(f"disorder: site {label} and {among} exclude each other; keep one")


def _check_hydrogens(structure: Structure, labels: Sequence[str]) -> None:
    for label, text in zip(labels, structure.site_values(HYDROGENS) or NULL[:1] * len(labels), strict=True):
        number = parse_number(text)
        if number is not None and number.value:
            raise UnusableCrystal(f"site {label} has {number.value:g} attached hydrogens without coordinates")


def _occupied(label: str, text: str) -> bool:
    """Return whether a site is occupied; "." means 1.

    Raises:
        UnusableCrystal: It is occupied in part, or it is unknown how much.
    """
    number = parse_number("1" if text == "." else text)
    if number is None:
        raise UnusableCrystal(f"occupancy {text} at site {label}: write a number")
    if number.value not in (0, 1):
        kind = "partial occupancy" if 0 < number.value < 1 else "occupancy"
        raise UnusableCrystal(f"{kind} {number.value:g} at site {label}")
    return bool(number.value)


def _element(
    site: int, labels: Sequence[str] | None, types: Sequence[str] | None, formula: Mapping[str, float]
) -> str:
    """Return the element of a site: from its type symbol, or from its label if the file has no type symbols."""
    of_type = types is not None and types[site] not in NULL
    text = types[site] if types is not None and of_type else (labels or [""] * (site + 1))[site]
    possible, is_clear = elements_of_type(text) if of_type else elements_of_label(text)
    if not is_clear:
        possible &= set(formula)  # only the formula can tell
    if len(possible) == 1:
        return next(iter(possible))
    what = "type" if of_type else "label"
    advice = "" if of_type else "; add _atom_site_type_symbol"
    raise UnusableCrystal(f"no element: site {text} ({what}) does not say which{advice}")


def _coordinate(label: str, text: str) -> Number:
    number = parse_number(text)
    if number is None:
        raise UnusableCrystal(f"a coordinate of site {label} is {text!r}, not a number")
    if abs(number.value) >= FARTHEST:
        raise UnusableCrystal(
            f"a coordinate of site {label} is {text}: fractions of the cell are needed, not lengths"
        )
    return number


def _at_thirds(coordinates: np.ndarray) -> np.ndarray:
    for third in (1 / 3, 2 / 3):
        coordinates[np.abs(coordinates / third - 1) <= THIRDS_TOLERANCE] = third
    return coordinates


def apply_operations(
    sites: Sites, operations: Operations, lattice: np.ndarray, most: int
) -> tuple[Atoms, list[str]]:
    """Return all atoms of the cell, in the order of the sites and operations, and notes on merged images.

    Args:
        sites: The sites.
        operations: The symmetry operations.
        lattice: float64 (3, 3), rows a, b, c, Å.
        most: Largest number of atoms.

    Raises:
        UnusableCrystal: There are too many atoms, or a site is near a symmetry element and not on it.
    """
    owners: list[int] = []
    places: list[np.ndarray] = []
    merged: list[str] = []
    total = 0
    for site, coordinates in enumerate(sites.coordinates):
        images = operations.rotations @ coordinates + operations.translations
        kept, spread = _merged(images, lattice, max(SITE_TOLERANCE, DIGITS_APART * sites.digit))
        if kept is None:
            raise UnusableCrystal(f"site {sites.labels[site]} is near a symmetry element, but not on it")
        if spread > SITE_TOLERANCE:
            merged.append(sites.labels[site])
        total += len(kept)
        if total > most:
            raise UnusableCrystal(f"too many atoms: {total:,} or more, at most {most:,} fit")
        places.append(kept)
        owners += [site] * len(kept)
    coordinates = np.concatenate(places)
    names = ", ".join(merged[:3]) + (", …" if len(merged) > 3 else "")
    notes = [f"within the written digits on a symmetry element, and put there: {names}"] if merged else []
    return Atoms(np.array(owners), coordinates - np.floor(coordinates)), notes


def _merged(images: np.ndarray, lattice: np.ndarray, tolerance: float) -> tuple[np.ndarray | None, float]:
    """Merge the images of one site that are the same atom, at their mean.

    Returns:
        The atoms, or None if not all of them have the same number of images. And the largest fractional distance of
        merged images.
    """
    if len(images) == 1:
        return images, 0.0
    apart = images[:, None] - images
    apart -= np.rint(apart)
    near = np.abs(apart).max(-1) <= tolerance * 1.001
    near &= ((apart @ lattice) ** 2).sum(-1) < SHORTEST**2
    first = near.argmax(1)
    kept, counts = np.unique(first, return_counts=True)
    if not (first[kept] == kept).all() or len(set(counts.tolist())) > 1:
        return None, 0.0
    shifts = apart[np.arange(len(images)), first]
    spread = float(np.abs(shifts).max())
    if spread < NOISE:
        return images[kept], spread
    means = np.array([shifts[first == one].mean(0) for one in kept])
    return images[kept] + means, spread
