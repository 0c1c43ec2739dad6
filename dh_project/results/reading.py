"""Reading the trials of ``results.csv``, with the types of the journal if it lies beside the file."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from dh_project.common.errors import UserError
from dh_project.results.csv_file import PARKED_AT, row_of
from dh_project.results.history import History, Replay
from dh_project.results.paths import SearchPaths
from dh_project.results.replicates import standard_error
from dh_project.results.table import Row, guessed, is_of_today, read_table
from dh_project.trial.trial import Trial


@dataclass(frozen=True)
class Result:
    """One successful row of a results file, or all replicates of a point.

    Attributes:
        id: The trial's id (a number today, a UUID in old files); of replicates that of the first successful one.
        point: The hyperparameters.
        objective: Larger is better; of replicates the mean. Their facts have ``replicates`` and ``standard_error``.
        elapsed: Time of the trial's end, in seconds of search time.
        facts: The other columns, without the prefix ``m:``.
    """

    id: int | str
    point: dict[str, Any]
    objective: float
    elapsed: float
    facts: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The point and the objective of a row of a results file.

    Attributes:
        row: Number of the row as a spreadsheet shows it.
        prefix: Prefix of the columns of hyperparameters.
        point: The point with the types of the journal; None if no journal has it.
        texts: The texts of the row's cells, by the name of the column without its prefix.
        objective: The objective; None if the trial failed.
    """

    row: int
    prefix: str
    point: Mapping[str, Any] | None
    texts: Mapping[str, str]
    objective: float | None


FACT = "m:"
"""Prefix of recorded values."""

REPLICATE_OF = "m:replicate_of"
"""Column with the id of the point's first trial, in searches with replicates."""

OLD_COLUMNS = ("id", "objective", "elapsed_sec", "duration")
"""Columns of DeepHyper 0.1 to 0.3 that are not hyperparameters."""


def read_results(path: Path, most: int | None = None) -> list[Result]:
    """Read the successful rows of a results file, best first. Of replicates, only their mean counts.

    Args:
        path: A ``results.csv`` in today's or an old format. If the journal lies beside it, points and facts are the
            journal's. Otherwise their types are guessed from the texts.
        most: Largest number of results to return; None for all.

    Raises:
        UserError: The file is not a results file, it is empty, or all its trials failed.
    """
    columns, rows = read_table(path)
    if all(row.objective is None for row in rows):
        raise UserError(
            f"{path}: all {len(rows)} trials failed; the column m:reason and each trial's log.txt say why"
        )
    points = _points(columns, rows)[:most]
    chosen = [point.row for point in points]
    history = history_beside(path, chosen)
    known = {row.number: trial for row in chosen if (trial := _trial_of(path, row, history))}
    typed = _guessed_foreign(path, columns, rows) if len(known) < len(chosen) else {}
    found = []
    for point in points:
        trial = known.get(point.row.number)
        cells = row_of(trial, history.labels) if trial else typed[point.row.number]
        result = _result(cells, point.objective, trial.point if trial else None)
        found.append(replace(result, facts={**result.facts, **point.facts}))
    return found


def _merit(row: Row) -> tuple[float, float, int]:
    """Return the sort key of a row with an objective: an ended trial is better than a parked one of any step."""
    step = row.cells.get(PARKED_AT)
    return float(step) if step else math.inf, row.objective or 0.0, -row.number


class _Point(NamedTuple):
    """A point of a results file with the first successful row of its trials.

    Attributes:
        is_complete: Whether no other point has more trials.
        objective: The objective, or the mean over the replicates.
        row: The row.
        facts: With replicates, the number of objectives and the standard error of their mean.
    """

    is_complete: bool
    objective: float
    row: Row
    facts: dict[str, Any]


def _points(columns: Sequence[str], rows: Sequence[Row]) -> list[_Point]:
    """Return the points of a results file that have an objective, the best first, as :func:`.best_of` ranks them."""
    if REPLICATE_OF not in columns:
        best = sorted((row for row in rows if row.objective is not None), key=_merit, reverse=True)
        return [_Point(True, row.objective or 0.0, row, {}) for row in best]
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: int(row.cells["job_id"])):
        groups.setdefault(row.cells.get(REPLICATE_OF, row.cells["job_id"]), []).append(row)
    most = max(map(len, groups.values()))
    points = []
    for group in groups.values():
        good = [(row, row.objective) for row in group if row.objective is not None]
        if good:
            objectives = [objective for _, objective in good]
            facts = {"replicates": len(good), "standard_error": standard_error(objectives)}
            points.append(_Point(len(group) == most, statistics.fmean(objectives), good[0][0], facts))
    return sorted(points, key=lambda point: (not point.is_complete, -point.objective))


def _guessed_foreign(path: Path, columns: list[str], rows: Sequence[Row]) -> dict[int, dict[str, Any]]:
    """Return the cells, with guessed types, of the rows that the journal does not have, by the row's number."""
    history = history_beside(path, rows)
    foreign = [row for row in rows if _trial_of(path, row, history) is None]
    return dict(zip((row.number for row in foreign), guessed(columns, foreign), strict=True))


def read_outcomes(path: Path) -> list[Outcome]:
    """Return the point and the objective of each row of a results file, in its order, without parked trials.

    Raises:
        UserError: The file is not a results file, or it is empty.
    """
    columns, rows = read_table(path)
    rows = [row for row in rows if PARKED_AT not in row.cells]  # objectives of fewer steps teach wrong things
    history = history_beside(path, rows)
    prefix = "p:" if is_of_today(columns) else ""
    outcomes = []
    for row in rows:
        trial = _trial_of(path, row, history)
        texts = {n.removeprefix(prefix): text for n, text in row.cells.items() if n.startswith(prefix)}
        outcomes.append(Outcome(row.number, prefix, trial.point if trial else None, texts, row.objective))
    return outcomes


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a results file with its columns; the objective is None if the trial failed.

    Raises:
        UserError: The file is not a results file, or it is empty.
    """
    columns, rows = read_table(path)
    typed = guessed(columns, rows)
    return [{**cells, "objective": row.objective} for row, cells in zip(rows, typed, strict=True)]


def history_beside(results: Path, rows: Sequence[Row] | None = None) -> History:
    """Return the history, without reports, from the journal beside a results file.

    It is empty if there is no journal (a copied file).

    Args:
        results: The results file.
        rows: Rows whose trials the history has; None for all trials.
    """
    numbers = [row.cells.get("job_id", "") for row in rows or ()]
    trials = None if rows is None else {int(number) for number in numbers if number.isdecimal()}
    try:
        return Replay(SearchPaths(results.parent), with_reports=False, trials=trials).read()
    except UserError:  # the journal is damaged: use the results file alone
        return History()


def _trial_of(path: Path, row: Row, history: History) -> Trial | None:
    """Return the trial of a row; None if the journal beside the file does not have it.

    ``results.csv`` is a view of the journal. Another file counts as one if the objectives agree, too.
    """
    number = row.cells.get("job_id", "")
    trial = history.trials.get(int(number)) if number.isdecimal() else None
    if trial is None or path.name == SearchPaths(path.parent).results.name:
        return trial
    return trial if trial.objective == row.objective else None


def _result(cells: Mapping[str, Any], objective: float, point: Mapping[str, Any] | None) -> Result:
    """Return the result of a row's cells; ``point`` replaces the hyperparameters among them."""
    present = {name: value for name, value in cells.items() if value is not None}
    if is_of_today(list(cells)) or point is not None:
        facts = {name[2:]: value for name, value in present.items() if name.startswith("m:")}
        if point is None:
            point = {name[2:]: value for name, value in present.items() if name.startswith("p:")}
        elapsed = facts.get("timestamp_gather", 0.0)
        return Result(present.get("job_id", ""), dict(point), objective, elapsed, facts)
    point = {name: value for name, value in present.items() if name not in OLD_COLUMNS}
    duration = {"duration": present["duration"]} if "duration" in present else {}
    return Result(present.get("id", ""), dict(point), objective, present.get("elapsed_sec", 0.0), duration)
