"""Finds the only structure of a CIF file, and reads its tags and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gemmi import cif

import dh_project as dh
from dh_project.cgcnn_mp.crystals.sources import decode
from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal

COORDINATES = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
CARTESIAN = "_atom_site_cartn_x"
STRUCTURAL = (
    "_atom_site_",
    "_cell_",
    "_symmetry_",
    "_space_group_",
    "_chemical_formula_",
    "_exptl_crystal_density",
)
"""Beginnings of the tags that the reader uses. One of them that is given twice makes a file unusable."""
MODULATED = re.compile(r"_ssg_|_superspace_|wave_vector|_fourier|_cell_subsystem|_symop_ssg")
NULL = (".", "?")

_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?)(?:\(\d+\)?)?")


class Number(NamedTuple):
    """A number, and the value of one unit in its last written digit."""

    value: float
    digit: float


class Structure:
    """The data block of a file that has atoms.

    Tags are compared in lower case, with ``_`` for ``.``, and without a ``_`` at the end, so the names of all
    dictionaries and of older programs are the same.
    """

    def __init__(self, block: cif.Block) -> None:
        self.name = block.name
        self._values: dict[str, list[str]] = {}
        self._loop_of: dict[str, int] = {}
        for place, (tags, columns) in enumerate(_columns(block)):
            for tag, values in zip(tags, columns, strict=True):
                tag = tag.lower().replace(".", "_").rstrip("_")
                if tag in self._values and tag.startswith(STRUCTURAL):
                    raise UnusableCrystal(f"{tag} is given twice")
                self._values[tag] = values
                self._loop_of[tag] = place

    def has_atoms(self) -> bool:
        """Return whether the block lists atom sites."""
        return any(tag in self._values for tag in (*COORDINATES, CARTESIAN))

    def tags(self) -> Iterator[str]:
        """Yield all tags."""
        yield from self._values

    def values(self, tag: str) -> list[str]:
        """Return the values of a tag; none if it is missing, or if it has one value that is ``?`` or ``.``."""
        found = self._values.get(tag, [])
        return [] if len(found) == 1 and found[0] in ("", *NULL) else found

    def text(self, *tags: str) -> str | None:
        """Return the value of the first of some tags that has one."""
        for tag in tags:
            if values := self.values(tag):
                return values[0]
        return None

    def number(self, tag: str) -> float | None:
        """Return the value of a tag, or None if it is missing.

        Raises:
            UnusableCrystal: The value is not a number.
        """
        text = self.text(tag)
        if text is None:
            return None
        found = parse_number(text)
        if found is None:
            raise UnusableCrystal(f"{tag} is {text!r}, not a number")
        return found.value

    def site_values(self, tag: str) -> list[str] | None:
        """Return the values of a tag for all sites, or None if it is missing.

        Raises:
            UnusableCrystal: The tag stands in another loop than the coordinates.
        """
        if tag not in self._values:
            return None
        if self._loop_of[tag] != self._loop_of[COORDINATES[0]]:
            raise UnusableCrystal(f"{tag} stands in another loop than {COORDINATES[0]}")
        return self._values[tag]


def _columns(block: cif.Block) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the tags of each loop or pair, and their columns."""
    for item in block:
        if item.pair is not None:
            yield [item.pair[0]], [[_unquoted(item.pair[1])]]  # type: ignore[index]
        elif item.loop is not None:
            tags, values = item.loop.tags, [_unquoted(value) for value in item.loop.values]
            yield tags, [values[column :: len(tags)] for column in range(len(tags))]


def _unquoted(value: str) -> str:
    return value if value in NULL else cif.as_string(value).strip()


def only_structure(content: bytes) -> Structure:
    """Return the structure of a CIF file.

    Raises:
        UnusableCrystal: The file is not valid CIF, or has no structure, or several.
    """
    text = decode(content).replace("\r\n", "\n").replace("\r", "\n")
    try:
        document = cif.read_string(text.encode("ascii", "replace"), check_level=0)
    except (ValueError, RuntimeError) as error:
        raise UnusableCrystal(f"unparsable CIF: {_place(str(error))}") from None
    if not len(document):
        raise UnusableCrystal("unparsable CIF: it has no data block")
    found = [block for block in map(Structure, document) if block.has_atoms()]
    if not found:
        raise UnusableCrystal("no atom sites in the file")
    if len(found) > 1:
        names = ", ".join(f"data_{block.name}" for block in found[:3]) + (", …" if len(found) > 3 else "")
        raise UnusableCrystal(f"{len(found)} structures in one file ({names}): keep one")
    (structure,) = found
    for tag in structure.tags():
        if MODULATED.search(tag) or (tag == "_cell_modulation_dimension" and structure.number(tag)):
            raise UnusableCrystal(f"a modulated structure ({tag}): it has no unit cell")
    for tag in COORDINATES:
        if structure.site_values(tag) is None:
            others = " (only Cartesian ones)" if CARTESIAN in structure.tags() else ""
            raise UnusableCrystal(f"no {tag}: the sites have no fractional coordinates{others}")
    return structure


def parse_number(text: str) -> Number | None:
    """Return a CIF number such as ``5.64(2)`` without its uncertainty; None if the text is no finite number."""
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    decimals = len(match[2] or match[3] or "") - int(match[4] or 0)
    return Number(float(match[1]), 10.0**-decimals) if abs(decimals) < 100 else None


def _place(error: str) -> str:
    """Return a message of gemmi with the line in words, and without the name of the string."""
    message = dh.errors.one_line(error).removeprefix("data:")
    line, _, rest = message.partition(":")
    if line.isdigit():
        return f"line {line}: {re.sub(r'^[0-9()]+: ', '', rest.strip())}"
    return message
