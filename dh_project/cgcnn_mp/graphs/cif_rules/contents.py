"""Compares the atoms of a cell with everything else that a file says about them."""

from __future__ import annotations

from collections import Counter

import gemmi
import numpy as np
from scipy.spatial import cKDTree

from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal
from dh_project.cgcnn_mp.graphs.cif_rules.block import Structure
from dh_project.cgcnn_mp.graphs.cif_rules.elements import ATOMIC_NUMBERS, Formula, parse_formula
from dh_project.cgcnn_mp.graphs.cif_rules.sites import Atoms, Sites
from dh_project.cgcnn_mp.graphs.cif_rules.symmetry import (
    Operations,
    group_number,
    named_groups,
)

SUM, STRUCTURAL, UNITS = "_chemical_formula_sum", "_chemical_formula_structural", "_cell_formula_units_z"
ITS_NAME = "_cell_formula_units_Z"
WEIGHT, VOLUME = "_chemical_formula_weight", "_cell_volume"
DENSITIES = ("_exptl_crystal_density_diffrn", "_exptl_crystal_density_meas")

VOLUME_TOLERANCE = 0.01
MASS_TOLERANCE = 0.02
DENSITY_TOLERANCE = 0.1
"""Relative tolerances. A measured density may differ from that of the perfect crystal."""
INVARIANCE_TOLERANCE = 0.01
"""Fractional distance within which an atom maps onto another one."""
GRAMS_PER_CM3 = 1.66053907
"""Mass of 1 u in 1 Å^3, in g/cm^3."""


def check_volume(structure: Structure, volume: float) -> None:
    """Refuse a cell whose volume contradicts the volume that the file gives.

    Raises:
        UnusableCrystal: They differ.
    """
    given = structure.number(VOLUME)
    if given is not None and abs(given - volume) > VOLUME_TOLERANCE * volume + 0.5:
        raise UnusableCrystal(
            f"the cell has {volume:.4g} Å³, and {VOLUME} is {given:g}: in which unit is it?"
        )


def check_contents(
    structure: Structure, sites: Sites, atoms: Atoms, operations: Operations, volume: float
) -> list[str]:
    """Refuse atoms that contradict the formula, Z, multiplicities, weight, density, or the space group's name.

    Returns:
        Notes on contradictions that do not matter.

    Raises:
        UnusableCrystal: They contradict each other.
    """
    counts: Formula = dict(Counter(sites.elements[site] for site in atoms.sites.tolist()))
    notes = _check_formula(structure, counts)
    _check_multiplicities(sites, atoms, operations)
    mass = sum(gemmi.Element(element).weight * number for element, number in counts.items())
    _check_mass(structure, mass)
    for tag in DENSITIES:
        density = structure.number(tag)
        if density and abs(density / (mass * GRAMS_PER_CM3 / volume) - 1) > DENSITY_TOLERANCE:
            raise UnusableCrystal(
                f"the atoms have a density of {mass * GRAMS_PER_CM3 / volume:.3g} g/cm³, and {tag} is {density:g}"
            )
    return [*notes, *_check_name(structure, sites, atoms, operations)]


def _check_formula(structure: Structure, counts: Formula) -> list[str]:
    text, units = structure.text(SUM), structure.number(UNITS)
    formula, structural = parse_formula(text), parse_formula(structure.text(STRUCTURAL))
    found = " ".join(f"{element}{number:g}" for element, number in counts.items())
    if formula is not None and _ratio(counts, formula) is None:
        raise UnusableCrystal(f"the sites are {found} in the cell, and {SUM} is {text!r}")
    if text and formula is None:
        return [f"{SUM} {text!r} cannot be read, and is not compared with the sites"]
    if units and formula is not None:
        ratios = [_ratio(counts, one) for one in (formula, structural) if one]
        fits = any(ratio is not None and abs(ratio - units) < 0.01 * units for ratio in ratios)
        is_whole_cell = structural is None and abs((ratios[0] or 0) - 1) < 1e-6
        if not fits and not is_whole_cell:
            raise UnusableCrystal(
                f"the sites are {found} in the cell, and {ITS_NAME} is {units:g} with {SUM} {text!r}"
            )
    return []


def _ratio(counts: Formula, formula: Formula) -> float | None:
    """Return how many formula units the atoms are; None if the two have other elements or proportions."""
    if set(counts) != {element for element, number in formula.items() if number}:
        return None
    ratios = [counts[element] / formula[element] for element in counts]
    whole = all(float(number).is_integer() for number in formula.values())
    tolerance = 1e-6 if whole else 0.01
    return ratios[0] if max(ratios) - min(ratios) <= tolerance * max(ratios) else None


def _check_multiplicities(sites: Sites, atoms: Atoms, operations: Operations) -> None:
    """Compare with the multiplicities; some programs write the order of the site's symmetry in their place."""
    if sites.multiplicities is None:
        return
    found = np.bincount(atoms.sites, minlength=len(sites.labels))
    given = np.array(sites.multiplicities)
    if (given == found).all() or (given * found == len(operations.rotations)).all():
        return
    site = int(np.flatnonzero(given != found)[0])
    raise UnusableCrystal(
        f"symmetry makes {found[site]} atoms of site {sites.labels[site]}, and its multiplicity is {given[site]:g}"
    )


def _check_mass(structure: Structure, mass: float) -> None:
    weight, units = structure.number(WEIGHT), structure.number(UNITS)
    if not weight or not units or parse_formula(structure.text(SUM)) is not None:
        return
    if abs(mass / (weight * units) - 1) > MASS_TOLERANCE:
        raise UnusableCrystal(
            f"the atoms weigh {mass:.5g} u, and {WEIGHT} times {ITS_NAME} is {weight * units:.5g}"
        )


def _check_name(structure: Structure, sites: Sites, atoms: Atoms, operations: Operations) -> list[str]:
    """Compare listed operations with the space group's name: the atoms must have the symmetry of both."""
    if operations.name != "the listed operations":
        return []
    try:
        groups, _ = named_groups(structure)
    except UnusableCrystal as error:
        return [f"{error}; the listed operations are taken"]
    if not groups:
        return []
    number = group_number(operations)
    if number is None or number == group_number(groups[0]):
        return []
    named = group_number(groups[0])
    settings = (group.operations() for group in gemmi.spacegroup_table() if group.number == named)
    if any(_is_invariant(sites, atoms, setting) for setting in settings):
        return []
    listed = gemmi.get_spacegroup_reference_setting(number).short_name()
    raise UnusableCrystal(
        f"the listed operations are of space group {listed}, and the file says {groups[0].name}, which the atoms "
        "do not have"
    )


def _is_invariant(sites: Sites, atoms: Atoms, group: gemmi.GroupOps) -> bool:
    """Return whether each operation of a group maps the atoms onto each other."""
    numbers = np.array([ATOMIC_NUMBERS[element] for element in sites.elements])[atoms.sites]
    for number in np.unique(numbers).tolist():
        coordinates = atoms.coordinates[numbers == number]
        tree = cKDTree(_in_cell(coordinates), boxsize=1)
        for operation in group:
            matrix = np.array(operation.float_seitz())
            images = _in_cell(coordinates @ matrix[:3, :3].T + matrix[:3, 3])
            if np.isinf(tree.query(images, p=np.inf, distance_upper_bound=INVARIANCE_TOLERANCE)[0]).any():
                return False
    return True


def _in_cell(coordinates: np.ndarray) -> np.ndarray:
    inside = coordinates % 1
    return np.where(inside < 1, inside, 0.0)
