"""Finds the symmetry operations of a structure: by their list, by a symbol of the space group, or by its number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import gemmi
import numpy as np

from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal
from dh_project.cgcnn_mp.graphs.cif_rules.block import Structure

LISTS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
MAGNETIC, MAGNETIC_CENTRING = "_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz"
MAGNETIC_NAMES = ("_space_group_magn_name_bns", "_space_group_magn_number_bns", "_space_group_magn_name_og")
HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
SYMBOLS = (
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_alt",
    "_space_group_name_h-m_full",
    "_space_group_name_h-m",
    "_symmetry_space_group_name_h_m",
)
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
SETTING = "_space_group_it_coordinate_system_code"

MOST_OPERATIONS = 1000
"""Largest number of operations; a space group in its conventional cell has at most 192."""
METRIC_TOLERANCE = 0.05
"""How far a cell may deviate from its symmetry, in its metric tensor: 2.5 % of a length, or 3° at a right angle."""
TRANSLATION_TOLERANCE = 2e-3
"""Tolerance of translations, which some programs write as 0.333."""

SUFFIX = re.compile(r"\s*:?\s*(RS|HR|O1|O2|[12RHSZ])\s*$", re.IGNORECASE)
CHOICES = {"RS": "R", "HR": "H", "O1": "1", "O2": "2", "S": "1", "Z": "2"}
"""Suffixes of the ICSD and of older programs, and the same in International Tables: S and Z are origin 1 and 2."""

_TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?\*?)?([xyz]?)")


class Operations(NamedTuple):
    """Symmetry operations on fractional coordinates.

    Attributes:
        rotations: float64 (n, 3, 3).
        translations: float64 (n, 3).
        name: Their name in messages.
    """

    rotations: np.ndarray
    translations: np.ndarray
    name: str


IDENTITY = Operations(np.eye(3)[None], np.zeros((1, 3)), "P 1")


def find_operations(structure: Structure, lattice: np.ndarray) -> tuple[list[Operations], list[str]]:
    """Find the symmetry operations of a structure.

    Args:
        structure: The structure.
        lattice: float64 (3, 3), rows a, b, c, Å.

    Returns:
        The operations; several choices if a symbol leaves the origin open. And notes on what is assumed.

    Raises:
        UnusableCrystal: The operations cannot be found, or contradict the cell.
    """
    listed = _listed(structure)
    if listed is not None:
        if not _keeps_metric(listed, lattice):
            raise UnusableCrystal("the cell does not have the symmetry of the listed operations")
        return [listed], []
    groups, notes = named_groups(structure)
    if not groups:
        if any(structure.text(tag) for tag in MAGNETIC_NAMES):
            raise UnusableCrystal("only the name of a magnetic space group: list its symmetry operations")
        return [IDENTITY], ["no symmetry is given: read as P 1"]
    fitting = [one for one in groups if _keeps_metric(one, lattice)]
    if not fitting:
        raise UnusableCrystal(f"the cell does not have the symmetry of the space group {groups[0].name}")
    return fitting, notes


def _listed(structure: Structure) -> Operations | None:
    """Return the operations that a structure lists, or None."""
    lists = [
        _parse_all(values, "the listed operations") for tag in LISTS if (values := structure.values(tag))
    ]
    if values := structure.values(MAGNETIC):
        operations = _parse_all([_without_time(value) for value in values], "the listed operations")
        if centrings := structure.values(MAGNETIC_CENTRING):
            shifts = _parse_all([_without_time(value) for value in centrings], "the listed centrings")
            operations = Operations(
                np.repeat(operations.rotations, len(shifts.translations), axis=0),
                (operations.translations[:, None] + shifts.translations).reshape(-1, 3),
                operations.name,
            )
        lists.append(_unique(operations))
    if not lists:
        return None
    if any(_key_set(*other[:2]) != _key_set(*lists[0][:2]) for other in lists[1:]):
        raise UnusableCrystal("two lists of symmetry operations contradict each other: keep one")
    if not _is_group(lists[0]):
        raise UnusableCrystal("the listed symmetry operations are no group: is the list whole?")
    return lists[0]


def _without_time(text: str) -> str:
    """Return an operation of a magnetic group without its last part, the reversal of time."""
    return text.rpartition(",")[0] if text.count(",") == 3 else text


def _parse_all(texts: Sequence[str], name: str) -> Operations:
    if len(texts) > MOST_OPERATIONS:
        raise UnusableCrystal(f"{len(texts):,} symmetry operations, at most {MOST_OPERATIONS:,} are read")
    parsed = [parse_operation(text) for text in texts]
    return _unique(
        Operations(np.array([one[0] for one in parsed]), np.array([one[1] for one in parsed]), name)
    )


def parse_operation(text: str) -> tuple[list[list[float]], list[float]]:
    """Return the rotation and the translation of an operation such as ``-x+1/2, y, z-x``.

    Raises:
        UnusableCrystal: The text is no such operation.
    """
    parts = re.sub(r"\s+", "", text).lower().split(",")
    rotation, translation = [], []
    for part in parts:
        row, shift, end = [0.0, 0.0, 0.0], Fraction(0), 0
        while end < len(part):
            match = _TERM.match(part, end)
            if not match or match.end() == end or not (match[2] or match[4]) or (end and not match[1]):
                raise UnusableCrystal(f"symmetry operation {text!r} cannot be read")
            number = Fraction(match[2] or 1) / Fraction(match[3] or 1) if match[3] != "0" else Fraction(0)
            number = -number if match[1] == "-" else number
            if match[4]:
                row["xyz".index(match[4])] += float(number)
            else:
                shift += number
            end = match.end()
        rotation.append(row)
        translation.append(float(shift))
    if len(parts) != 3 or abs(abs(np.linalg.det(rotation)) - 1) > 1e-6:
        raise UnusableCrystal(f"symmetry operation {text!r} cannot be read")
    return rotation, [_exact(value) for value in translation]


def _exact(value: float) -> float:
    """Return a translation that was cut, such as 0.333, as the fraction with a denominator of 24 that it means."""
    rounded = round(value * 24) / 24
    return rounded if abs(rounded - value) < TRANSLATION_TOLERANCE else value


def named_groups(structure: Structure) -> tuple[list[Operations], list[str]]:
    """Return the operations of the space group that a structure names: every setting that the name leaves open.

    Raises:
        UnusableCrystal: The names contradict each other, or are unknown.
    """
    hall, symbols = structure.text(*HALL), [text for tag in SYMBOLS if (text := structure.text(tag))]
    numbers = {number for tag in NUMBERS if (number := structure.number(tag)) is not None}
    choice = (structure.text(SETTING) or "").upper()
    found = [group for symbol in symbols if (group := _by_symbol(symbol, choice))]
    for group in found:
        numbers.add(group[0].number)
    by_hall = _by_hall(hall) if hall else None
    if by_hall is not None:
        of_hall = gemmi.find_spacegroup_by_ops(by_hall)
        if of_hall is not None:
            numbers.add(of_hall.number)
    if len(numbers) > 1:
        raise UnusableCrystal(
            "the names of the space group contradict each other: "
            + ", ".join(filter(None, [*symbols, hall, *(structure.text(tag) for tag in NUMBERS)]))
        )
    if by_hall is not None:
        return [_operations(by_hall, hall or "")], []
    if found:
        return [_operations(group.operations(), group.xhm()) for group in found[0]], []
    if numbers:
        (number,) = numbers
        if number not in range(1, 231):
            raise UnusableCrystal(f"there is no space group {number:g}")
        standard = gemmi.get_spacegroup_reference_setting(int(number))
        groups = [group for group in _settings_of(standard) if not choice or group.ext == choice]
        unknown = f", as the symbol {symbols[0]} is unknown" if symbols else ""
        note = f"no symmetry operations{unknown}: space group {number:g} read in its standard setting"
        return [_operations(group.operations(), group.xhm()) for group in groups], [note]
    if symbols or hall:
        raise UnusableCrystal(
            f"space group {symbols[0] if symbols else hall} is unknown: list the symmetry operations"
        )
    return [], []


def _by_symbol(symbol: str, choice: str) -> list[gemmi.SpaceGroup]:
    """Return the settings that a Hermann-Mauguin symbol can mean, given a code of the setting or ''."""
    text = re.sub(r"[\s_]+", " ", symbol).strip()
    group = gemmi.find_spacegroup_by_name(text)
    explicit = group is not None and ":" in text
    suffix = SUFFIX.search(text)
    if suffix and (group is None or group.ext in "RH"):
        chosen = CHOICES.get(suffix[1].upper(), suffix[1].upper())
        other = gemmi.find_spacegroup_by_name(text[: suffix.start()])
        with_choice = [one for one in _settings_of(other) if one.ext == chosen] if other else []
        if with_choice:
            group, explicit = with_choice[0], True
    if group is None:
        return []
    if explicit:
        return [group]
    settings = _settings_of(group)
    return [one for one in settings if one.ext == choice] or settings


def _settings_of(group: gemmi.SpaceGroup) -> list[gemmi.SpaceGroup]:
    """Return the settings that differ from a group only by the choice of origin, or of rhombohedral axes."""
    return [
        other
        for other in gemmi.spacegroup_table()
        if (other.number, other.hm, other.qualifier) == (group.number, group.hm, group.qualifier)
    ]


def _by_hall(symbol: str) -> gemmi.GroupOps | None:
    try:
        return gemmi.symops_from_hall(symbol.replace("_", " "))
    except (ValueError, RuntimeError):
        return None


def _operations(group: gemmi.GroupOps, name: str) -> Operations:
    matrices = np.array([operation.float_seitz() for operation in group])
    return Operations(matrices[:, :3, :3], matrices[:, :3, 3], name)


def _unique(operations: Operations) -> Operations:
    first: dict[bytes, int] = {}
    for place, key in enumerate(_keys(operations.rotations, operations.translations)):
        first.setdefault(key.tobytes(), place)
    kept = list(first.values())
    return Operations(operations.rotations[kept], operations.translations[kept], operations.name)


def _key_set(rotations: np.ndarray, translations: np.ndarray) -> set[bytes]:
    return {key.tobytes() for key in np.unique(_keys(rotations, translations), axis=0)}


def _keys(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """Return whole numbers, int32 (n, 12), that are equal for operations that differ by a lattice vector."""
    unit, safe = (
        5040,
        0.501,
    )  # fractions with a denominator up to 10 are whole, and halves are rounded one way
    shifts = np.floor(translations * unit + safe).astype(np.int32) % unit
    return np.hstack([np.floor(rotations * unit + safe).astype(np.int32).reshape(-1, 9), shifts])


def _is_group(operations: Operations) -> bool:
    """Return whether the product of any two operations is one of them."""
    rotations, translations = operations.rotations, operations.translations
    products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
    shifts = (np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]).reshape(-1, 3)
    return _key_set(products, shifts) <= _key_set(rotations, translations)


def _keeps_metric(operations: Operations, lattice: np.ndarray) -> bool:
    """Return whether all operations keep lengths and angles."""
    metric = lattice @ lattice.T
    turned = np.einsum("aji,jk,akl->ail", operations.rotations, metric, operations.rotations)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    return bool((np.abs(turned - metric) <= METRIC_TOLERANCE * scale).all())


def group_number(operations: Operations) -> int | None:
    """Return the number of the space group of some operations; None if they are in no setting of the tables."""
    try:
        group = gemmi.GroupOps([gemmi.Op(triplet) for triplet in _triplets(operations)])
    except (ValueError, RuntimeError):
        return None
    found = gemmi.find_spacegroup_by_ops(group)
    return found.number if found else None


def _triplets(operations: Operations) -> Iterator[str]:
    for rotation, translation in zip(operations.rotations, operations.translations, strict=True):
        parts = []
        for row, shift in zip(rotation.tolist(), (translation % 1).tolist(), strict=True):
            terms = (
                f"{'-' if value < 0 else '+'}{axis}" for value, axis in zip(row, "xyz", strict=True) if value
            )
            parts.append("".join(terms) + f"+{Fraction(shift).limit_denominator(24)}")
        yield ",".join(parts)
