"""The tables of a data set: its ids, its labels, its element features.

The layout is that of the original CGCNN:

- ``id_prop.csv``: no header; one line for each crystal, with its id and its label.
- ``labels.csv`` (optional): a header; the column ``material_id``, then one column for each label.
- ``atom_init.json`` (optional): a list of features for each atomic number.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError

ID_TABLE, LABEL_TABLE, FEATURE_TABLE = "id_prop.csv", "labels.csv", "atom_init.json"
TABLE_NAMES = (ID_TABLE, LABEL_TABLE, FEATURE_TABLE)
SHIPPED_FEATURES = Path(__file__).parents[1] / "data" / FEATURE_TABLE
HEAVIEST_ELEMENT = 118


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
        raise DataError(
            f"{name} holds no {ID_TABLE}: write one line for each crystal in it, with the id, a comma and the label"
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


def _rows(text: str, where: str) -> list[tuple[str, ...]]:
    """Return the stripped fields of each non-empty line."""
    try:
        rows = [tuple(map(str.strip, row)) for row in csv.reader(text.splitlines())]
    except csv.Error as error:
        raise DataError(f"cannot read {where}: {error}") from None
    return [row for row in rows if any(row)]


def _by_id(rows: list[tuple[str, ...]], where: str) -> dict[str, tuple[str, ...]]:
    """Return the other fields of each row by its first field, the id."""
    fields: dict[str, tuple[str, ...]] = {}
    for row in rows:
        identifier = row[0]
        if identifier in fields:
            raise DataError(f"{where} lists {identifier!r} twice: keep one line for each id")
        fields[identifier] = row[1:]
    return fields


def _id_table(text: str, where: str) -> dict[str, str]:
    """Return the label of each id; an empty one if the line has no label."""
    rows = _by_id(_rows(text, where), where)
    if not rows:
        raise DataError(
            f"{where} is empty: write one line for each crystal in it, with the id, a comma and the label"
        )
    return {identifier: others[0] if others else "" for identifier, others in rows.items()}


def _label_table(text: str, where: str) -> dict[str, dict[str, str]]:
    """Return the columns of a table with a header, each as values by id; short lines lack the last columns."""
    rows = _rows(text, where)
    if not rows or rows[0][0] != "material_id":
        raise DataError(f"{where} does not begin with a header whose first column is material_id: add one")
    names = rows[0][1:]
    by_id = _by_id(rows[1:], where)
    return {
        name: {identifier: others[column] for identifier, others in by_id.items() if column < len(others)}
        for column, name in enumerate(names)
    }


def _features(text: str, where: str) -> dict[int, list[float]]:
    """Return the element features of a JSON object: atomic numbers as keys, lists of one length as values."""
    try:
        features = {int(number): [float(value) for value in row] for number, row in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where} is not a JSON object of atomic number to list of numbers: {error}"
        ) from None
    if not features or len({len(row) for row in features.values()}) != 1:
        raise DataError(f"{where} must give every element the same number of features")
    if not all(1 <= number <= HEAVIEST_ELEMENT for number in features):
        raise DataError(f"{where} has a key that is not an atomic number from 1 to {HEAVIEST_ELEMENT}")
    return features
