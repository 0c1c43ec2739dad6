"""Reads the data of ``quickplot``: the trials of searches, or the epochs of trainings."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line, unknown
from dh_project.results.history import History
from dh_project.results.paths import SearchPaths
from dh_project.results.reading import read_rows
from dh_project.results.trial_files import find_trial

Row = dict[str, Any]

OBJECTIVE, TIME = "objective", "elapsed_sec"
STEPS = ("step", "epoch")
"""Names of the first column of a learning curve, in ``reports.csv`` and in CGCNN's ``history.csv``."""

FILES = ("results.csv", "reports.csv", "history.csv")
"""Files that are read if a folder is given; the first one that exists."""

OTHER_NAMES = {TIME: "m:timestamp_gather", "id": "job_id"}
"""Today's columns by their names in old DeepHyper."""


@dataclass(frozen=True)
class Table:
    """The rows of one file.

    Attributes:
        path: The file.
        name: Name of the file in the legend.
        columns: The names of its columns.
        rows: The cells by column. None for an empty cell, and for the objective of a failed trial.
        is_curve: Whether the file is a learning curve and not the results of a search.
        log: For each numerical hyperparameter of the search, whether the space has it on a logarithmic scale.
    """

    path: Path
    name: str
    columns: tuple[str, ...]
    rows: list[Row]
    is_curve: bool
    log: Mapping[str, bool] = field(default_factory=dict)

    def column(self, name: str) -> str:
        """Return the column of a name: of a column, a hyperparameter, a recorded value, or an old DeepHyper column.

        Raises:
            UserError: There is no such column.
        """
        for candidate in (name, f"p:{name}", f"m:{name}", OTHER_NAMES.get(name)):
            if candidate in self.columns:
                return candidate
        names = dict.fromkeys(short(column) for column in self.columns)
        raise UserError(f"{self.path}: {unknown('column', name, names)}")

    def defaults(self) -> tuple[str, str]:
        """Return the default names of x and y."""
        if not self.is_curve:
            return TIME, OBJECTIVE
        validation = [column for column in self.columns[1:] if column.startswith("val_")]
        return self.columns[0], next(iter([*validation, *self.columns[1:]]), self.columns[0])


def short(column: str) -> str:
    """Return a column's name without the prefix ``p:`` or ``m:``.

    >>> short("p:lr")
    'lr'
    """
    return TIME if column == OTHER_NAMES[TIME] else column.removeprefix("p:").removeprefix("m:")


def read_tables(paths: Iterable[Path]) -> list[Table]:
    """Read results files or learning curves, each once.

    Args:
        paths: Files of the same kind, folders that contain one, or trials as ``SEARCH:TRIAL``.

    Raises:
        UserError: A file cannot be read, has no ended trial or epoch, or is of another kind than the first.
    """
    files = list(dict.fromkeys(_file(path) for path in paths))
    names = iter(_names([path for path in files if not _is_trial(path)]))
    tables = [_trial(path) if _is_trial(path) else _read(path, next(names)) for path in files]
    for table in tables:
        if table.is_curve != tables[0].is_curve:
            kinds = [f"{each.path} is {_kind(each.is_curve)}" for each in (tables[0], table)]
            raise UserError(f"{' and '.join(kinds)}; draw them one after the other")
    return tables


def is_number(cell: object) -> bool:
    """Return whether a cell is a finite number."""
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


def _is_trial(path: Path) -> bool:
    """Return whether a path is ``SEARCH:TRIAL``."""
    search, colon, _ = str(path).rpartition(":")
    return bool(colon) and not path.exists() and SearchPaths(Path(search)).journal.is_file()


def _trial(path: Path) -> Table:
    """Return the reports of a trial, the last one of each step, as a learning curve.

    Raises:
        UserError: There is no such trial, or it has no reports.
    """
    search, _, wanted = str(path).rpartition(":")
    paths = SearchPaths(Path(search))
    number = find_trial(paths, wanted).id
    reports = dict(sorted(History.read(paths.folder).trials[number].reports))
    if not reports:
        raise UserError(
            f"{path}: trial {number} reported nothing; call dh.report(step, objective) in the run function"
        )
    rows = [{"step": step, OBJECTIVE: objective} for step, objective in reports.items()]
    return Table(
        paths.journal, f"{paths.folder.name} trial {number}", ("step", OBJECTIVE), rows, is_curve=True
    )


def _log_scales(results: Path) -> dict[str, bool]:
    """Return, for each numerical hyperparameter of the search beside a file, whether its scale is logarithmic."""
    try:
        identity = History.read(results.parent, with_reports=False).identity
    except UserError:  # there is no journal, or a damaged one
        return {}
    space = identity.space.get("space", {}) if identity else {}
    return {each["name"]: bool(each["log"]) for each in space.get("hyperparameters", []) if "log" in each}


def _names(files: Sequence[Path]) -> list[str]:
    """Return short names of files: their paths without the first and last parts that all have in common."""
    if not files:
        return []
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
    return Table(path, name, tuple(rows[0]), rows, is_curve=False, log=_log_scales(path))


def _columns(path: Path) -> list[str]:
    """Return the header of a CSV file; an empty list if there is no header or no such file."""
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
