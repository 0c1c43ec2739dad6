"""The tables of a data set: its ids, its labels, its element features.

The layout is that of the original CGCNN:

- ``id_prop.csv``: no header; one line for each crystal, with its id and its label.
- ``labels.csv`` (optional): a header; the column ``material_id``, then one column for each label.
- ``atom_init.json`` (optional): a list of features for each atomic number.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError

ID_TABLE, LABEL_TABLE, FEATURE_TABLE = "id_prop.csv", "labels.csv", "atom_init.json"
TABLE_NAMES = (ID_TABLE, LABEL_TABLE, FEATURE_TABLE)
SHIPPED_FEATURES = Path(__file__).parents[1] / "data" / FEATURE_TABLE
HEAVIEST_ELEMENT = 118
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
SEPARATORS = re.compile("[;\t]")


@dataclass(frozen=True)
class Tables:
    """The contents of a data set's tables.

    Attributes:
        ids: Material ids, in the order of ``id_prop.csv``.
        labels: Label name to material id to the label, as text. The first label is the default.
        element_features: Atomic number to features; all lists have the same length.
    """

    ids: list[str]
    labels: dict[str, dict[str, str]]
    element_features: dict[int, list[float]]

    def chosen_labels(self, names: str | Sequence[str] | None) -> dict[str, dict[str, str]]:
        """Return some of the labels.

        Args:
            names: One name, several in a list or in one string with commas, or None for the default.

        Raises:
            DataError: A name is no label, or is given twice.
        """
        if names is None:
            names = [next(iter(self.labels))]
        elif isinstance(names, str):
            names = [names] if names in self.labels else [name.strip() for name in names.split(",")]
        for name in names:
            if name not in self.labels:
                raise DataError(dh.errors.unknown_name("label", name, self.labels))
        if not names or len(set(names)) < len(names):
            raise DataError(f"label is {', '.join(names) or 'empty'}: name each label once")
        return {name: self.labels[name] for name in names}


def parse_tables(texts: Mapping[str, str], name: str) -> Tables:
    """Read the tables from their texts.

    Args:
        texts: File name to content, for the files of ``TABLE_NAMES`` that exist.
        name: Name of the data set in messages.

    Raises:
        DataError: ``id_prop.csv`` is missing or empty, an id occurs twice, or a table cannot be parsed.
    """
    if ID_TABLE not in texts:
        but = f"{LABEL_TABLE}, but no {ID_TABLE}" if LABEL_TABLE in texts else f"no {ID_TABLE}"
        raise DataError(
            f"{name} holds {but}: write one line for each crystal in it, with the id, a comma and the label"
        )
    labels = {ID_TABLE: _id_table(texts[ID_TABLE], f"{ID_TABLE} of {name}")}
    if LABEL_TABLE in texts:
        labels |= _label_table(texts[LABEL_TABLE], f"{LABEL_TABLE} of {name}")
    features = texts.get(FEATURE_TABLE)
    where = f"{FEATURE_TABLE} of {name}"
    return Tables(
        ids=list(labels[ID_TABLE]),
        labels=labels,
        element_features=shipped_element_features() if features is None else _features(features, where),
    )


def shipped_element_features() -> dict[int, list[float]]:
    """Return the 92 features of the CGCNN paper, for atomic numbers 1 to 100."""
    return _features(SHIPPED_FEATURES.read_text(encoding="utf-8"), FEATURE_TABLE)


class _Row(NamedTuple):
    """The stripped fields of a line, and its number."""

    line: int
    fields: tuple[str, ...]


def _rows(text: str, where: str) -> list[_Row]:
    """Return the lines that are not empty.

    Raises:
        DataError: A line cannot be read, or contains a control character.
    """
    reader = csv.reader(text.splitlines())
    rows = []
    try:
        for fields in reader:
            row = _Row(reader.line_num, tuple(map(str.strip, fields)))
            if any(row.fields):
                rows.append(row)
            if CONTROL.search("".join(row.fields)):
                raise DataError(
                    f"{where}, line {row.line}, contains a control character: save it as plain text in UTF-8"
                )
    except csv.Error as error:
        raise DataError(f"cannot read {where}: {error}") from None
    return rows


def _by_id(rows: list[_Row], where: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the other fields of each row by its first field, the id.

    Args:
        rows: The rows.
        where: Name of the table in messages.
        names: Names of all columns.

    Raises:
        DataError: An id is missing or occurs twice, or a row has more fields than there are columns.
    """
    fields: dict[str, tuple[str, ...]] = {}
    twice: dict[str, None] = {}
    for line, (identifier, *others) in rows:
        if not identifier:
            raise DataError(f"{where}, line {line}, has no id: begin each line with one")
        if any(others[len(names) - 1 :]):
            raise DataError(
                f"{where}, line {line}, has {1 + len(others)} fields, not {len(names)} ({', '.join(names)}): "
                "write decimals with a point, and quote an id that contains a comma"
            )
        if identifier in fields:
            twice[identifier] = None
        fields[identifier] = tuple(others)
    if twice:
        named = ", ".join(map(repr, list(twice)[:5])) + (", …" if len(twice) > 5 else "")
        many = f" ({len(twice)} ids)" if len(twice) > 1 else ""
        raise DataError(f"{where} lists {named} twice{many}: keep one line for each id")
    return fields


def _id_table(text: str, where: str) -> dict[str, str]:
    """Return the label of each id; an empty one if the line has no label."""
    rows = _rows(text, where)
    if not rows:
        raise DataError(
            f"{where} is empty: write one line for each crystal in it, with the id, a comma and the label"
        )
    if all(len(row.fields) == 1 for row in rows) and (other := SEPARATORS.search(rows[0].fields[0])):
        raise DataError(f"{where} separates the fields by {other[0]!r}: use commas")
    by_id = _by_id(rows, where, ("id", "label"))
    return {identifier: others[0] if others else "" for identifier, others in by_id.items()}


def _label_table(text: str, where: str) -> dict[str, dict[str, str]]:
    """Return the columns of a table with a header, each as values by id; short lines lack the last columns."""
    rows = _rows(text, where)
    if not rows or rows[0].fields[0] != "material_id":
        raise DataError(f"{where} does not begin with a header whose first column is material_id: add one")
    names = list(rows[0].fields)
    while not names[-1]:
        names.pop()
    for place, name in enumerate(names):
        if name in names[:place] or name in ("", ID_TABLE):
            what = f"is called {name!r}" if name in ("", ID_TABLE) else f"{name!r} is there twice"
            raise DataError(f"{where}: column {place + 1} {what}; give each column a name of its own")
    by_id = _by_id(rows[1:], where, names)
    return {
        name: {identifier: others[column] for identifier, others in by_id.items() if column < len(others)}
        for column, name in enumerate(names[1:])
    }


def _features(text: str, where: str) -> dict[int, list[float]]:
    """Return the element features of a JSON object: atomic numbers as keys, lists of one length as values."""
    try:
        rows = json.loads(text, object_pairs_hook=_each_once)
        features = _each_once([(int(key), [float(value) for value in row]) for key, row in rows.items()])
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where} is not a JSON object of atomic number to list of numbers: {error}"
        ) from None
    if not features or len({len(row) for row in features.values()}) != 1:
        raise DataError(f"{where} must give every element the same number of features")
    if not all(math.isfinite(value) for row in features.values() for value in row):
        raise DataError(f"{where} has a feature that is not a finite number")
    if not all(1 <= number <= HEAVIEST_ELEMENT for number in features):
        raise DataError(f"{where} has a key that is not an atomic number from 1 to {HEAVIEST_ELEMENT}")
    return features


def _each_once(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return pairs as a dict.

    Raises:
        ValueError: A key occurs twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
