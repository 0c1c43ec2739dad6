"""The tables of a data set: its ids, its labels, its element features.

The layout is the original CGCNN's: ``id_prop.csv`` (no header; an id and its label a line) and, where there
are such, ``labels.csv`` (a header; ``material_id`` first, then a label a column) and ``atom_init.json``
(features of each atomic number).
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
    """What a data set says beside its structures.

    Attributes:
        ids: Material ids, in the data set's order.
        labels: Label name to material id to the label as it is written. The first name is the default.
        element_features: Atomic number to features, all of one length.
    """

    ids: list[str]
    labels: dict[str, dict[str, str]]
    element_features: dict[int, list[float]]

    def chosen_labels(self, names: str | Sequence[str] | None) -> dict[str, dict[str, str]]:
        """Return some of the labels.

        Args:
            names: One name, several in a list or in one string with commas, or None for the default.

        Raises:
            DataError: There is no label of a name, or a name stands twice.
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
        texts: File name to content, of those of ``TABLE_NAMES`` that there are.
        name: The data set, as messages call it.

    Raises:
        DataError: ``id_prop.csv`` is missing or empty, an id stands twice, or a table is not readable.
    """
    if ID_TABLE not in texts:
        raise DataError(
            f"{name} holds no {ID_TABLE}: write one line a crystal in it, the id, a comma, the label"
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
    """Return the stripped fields of each line that is not empty."""
    try:
        rows = [tuple(map(str.strip, row)) for row in csv.reader(text.splitlines())]
    except csv.Error as error:
        raise DataError(f"cannot read {where}: {error}") from None
    return [row for row in rows if any(row)]


def _by_id(rows: list[tuple[str, ...]], where: str) -> dict[str, tuple[str, ...]]:
    """Return each row's other fields under its first one, which is the id."""
    fields: dict[str, tuple[str, ...]] = {}
    for row in rows:
        identifier = row[0]
        if identifier in fields:
            raise DataError(f"{where} lists {identifier!r} twice: keep one line an id")
        fields[identifier] = row[1:]
    return fields


def _id_table(text: str, where: str) -> dict[str, str]:
    """Return the label of each id; a line that ends after its id has an empty one."""
    rows = _by_id(_rows(text, where), where)
    if not rows:
        raise DataError(f"{where} is empty: write one line a crystal in it, the id, a comma, the label")
    return {identifier: others[0] if others else "" for identifier, others in rows.items()}


def _label_table(text: str, where: str) -> dict[str, dict[str, str]]:
    """Return the columns of a table with a header, each as values by id; a short line leaves its last out."""
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
    """Return the element features of a JSON object; all must have one length, and atomic numbers for keys."""
    try:
        features = {int(number): [float(value) for value in row] for number, row in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where} is not a JSON object of atomic number to list of numbers: {error}"
        ) from None
    if not features or len({len(row) for row in features.values()}) != 1:
        raise DataError(f"{where} must give every element the same number of features")
    if not all(1 <= number <= HEAVIEST_ELEMENT for number in features):
        raise DataError(f"{where} has a key that is no atomic number from 1 to {HEAVIEST_ELEMENT}")
    return features
