"""What ``quickplot`` draws, read from its files: the trials of searches, or the epochs of trainings."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line, unknown
from dh_project.results.reading import read_rows

Row = dict[str, Any]

OBJECTIVE, TIME = "objective", "elapsed_sec"
STEPS = ("step", "epoch")
"""The first column of a learning curve: of ``reports.csv``, and of a CGCNN's ``history.csv``."""

FILES = ("results.csv", "reports.csv", "history.csv")
"""What a folder stands for, the first of these that it has."""

OTHER_NAMES = {TIME: "m:timestamp_gather", "id": "job_id"}
"""Today's columns that old DeepHyper called by the names on the left."""


@dataclass(frozen=True)
class Table:
    """The rows of one file.

    Attributes:
        path: The file.
        name: What it is called beside the other files.
        columns: The names of its columns.
        rows: Their cells; None where a cell is empty, and as the objective of a failed trial.
        is_curve: Whether it is a learning curve, and not a search's results.
    """

    path: Path
    name: str
    columns: tuple[str, ...]
    rows: list[Row]
    is_curve: bool

    def column(self, name: str) -> str:
        """Return the column that a name stands for: itself, a hyperparameter's, a fact's, or old DeepHyper's.

        Raises:
            UserError: There is none.
        """
        for candidate in (name, f"p:{name}", f"m:{name}", OTHER_NAMES.get(name)):
            if candidate in self.columns:
                return candidate
        names = dict.fromkeys(short(column) for column in self.columns)
        raise UserError(f"{self.path}: {unknown('column', name, names)}")

    def defaults(self) -> tuple[str, str]:
        """Return the names of x and y where none are given."""
        if not self.is_curve:
            return TIME, OBJECTIVE
        validation = [column for column in self.columns[1:] if column.startswith("val_")]
        return self.columns[0], next(iter([*validation, *self.columns[1:]]), self.columns[0])


def short(column: str) -> str:
    """Return a column's name without the prefix of today's results files."""
    return TIME if column == OTHER_NAMES[TIME] else column.removeprefix("p:").removeprefix("m:")


def read_tables(paths: Iterable[Path]) -> list[Table]:
    """Read files of one kind, each once; a folder stands for the results or the curve in it.

    Raises:
        UserError: One is no such file, holds nothing that has finished, or is of another kind than the first.
    """
    files = list(dict.fromkeys(_file(path) for path in paths))
    tables = [_read(path, name) for path, name in zip(files, _names(files), strict=True)]
    for table in tables:
        if table.is_curve != tables[0].is_curve:
            kinds = [f"{each.path} is {_kind(each.is_curve)}" for each in (tables[0], table)]
            raise UserError(f"{' and '.join(kinds)}; draw them one after the other")
    return tables


def is_number(cell: object) -> bool:
    """Say whether a cell holds a finite number."""
    return isinstance(cell, Real) and not isinstance(cell, bool) and math.isfinite(cell)


def _kind(is_curve: bool) -> str:
    return "a learning curve" if is_curve else "a search's results"


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in FILES if (path / name).is_file()]
    if not found:
        raise UserError(f"{path}: a folder without {', '.join(FILES[:-1])} or {FILES[-1]}; name the file")
    return found[0]


def _names(files: Sequence[Path]) -> list[str]:
    """Return what tells files apart: their paths without the parts, in front and behind, that all share."""
    if len(files) == 1:
        return [files[0].absolute().parent.name or files[0].stem]
    parts = [list(path.absolute().with_suffix("").parts) for path in files]
    for end in (-1, 0):
        while len({each[end] for each in parts}) == 1 and min(map(len, parts)) > 1:
            for each in parts:
                del each[end]
    return ["/".join(each) for each in parts]


def _read(path: Path, name: str) -> Table:
    columns = _columns(path)
    if columns and columns[0] in STEPS and not {"job_id", TIME} & set(columns):
        return Table(path, name, tuple(columns), _curve(path), is_curve=True)
    rows = read_rows(path)
    if all(row[OBJECTIVE] is None for row in rows):
        raise UserError(
            f"{path}: nothing to draw, all {len(rows)} trials failed; the column m:reason and each trial's log.txt "
            f"say why"
        )
    return Table(path, name, tuple(rows[0]), rows, is_curve=False)


def _columns(path: Path) -> list[str]:
    """Return a CSV file's header; nothing where there is none, or no such file."""
    if path.suffix != ".csv" or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            return next(csv.reader(file), [])
        except csv.Error:
            return []


def _curve(path: Path) -> list[Row]:
    import pandas as pd

    try:
        table = pd.read_csv(path).astype(object)
    except ValueError as error:
        raise UserError(f"{path}: not a learning curve: {one_line(error)}") from None
    if not len(table):
        raise UserError(f"{path}: no epoch has ended yet")
    rows: list[Row] = table.where(table.notna(), None).to_dict(orient="records")
    return rows
