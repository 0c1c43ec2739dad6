"""Reading ``results.csv``: today's, and the files of DeepHyper 0.1 to 0.3, whose columns have no prefix."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.results.history import History
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import Trial

CONSTANTS = ("seed", "threads")
"""Facts that a run function records and takes, and that its objective depends on."""


@dataclass(frozen=True)
class Result:
    """One successful row of a results file.

    Attributes:
        id: The trial's id (a number today, a UUID in old files).
        point: The hyperparameters.
        objective: Larger is better.
        elapsed: When it ended, seconds since the search began.
        facts: The other columns, without ``m:``.
    """

    id: int | str
    point: dict[str, Any]
    objective: float
    elapsed: float
    facts: dict[str, Any]


OLD_COLUMNS = ("id", "objective", "elapsed_sec", "duration")
"""What is no hyperparameter in a file of DeepHyper 0.1 to 0.3."""

EMPTY = ("None", "", "nan")
"""Choices whose cells cannot be told from one that holds nothing."""

LARGEST = 1e38
"""What old files hold for a failed trial (the least float32) lies beyond this."""


def read_results(path: Path) -> list[Result]:
    """Read the successful rows of a results file, today's or an old one, best first.

    Raises:
        UserError: It is no results file, it is empty, or it holds only failures.
    """
    rows = read_rows(path)
    good = [row for row in rows if row["objective"] is not None]
    if not good:
        raise UserError(
            f"{path}: all {len(rows)} trials failed; the column m:reason and each trial's log.txt say why"
        )
    trials = _history_beside(path).trials  # the journal knows the types that a CSV cannot tell
    best_first = sorted(good, key=lambda row: -row["objective"])
    return [_result(row, trials) for row in best_first]


def read_outcomes(path: Path) -> list[tuple[dict[str, Any], float | None]]:
    """Read all rows of a results file, in its order: the point (or what may hold it) and the objective.

    Raises:
        UserError: It is no results file, or it is empty.
    """
    trials = _history_beside(path).trials
    return [(_split(row, trials)[0], row["objective"]) for row in read_rows(path)]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a results file, in its order and its columns; the objective is None where a trial failed.

    Raises:
        UserError: It is no results file, or it is empty.
    """
    import pandas as pd

    if path.suffix != ".csv":
        raise UserError(f"{path}: results are read from a .csv file; name the search's results.csv")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; run a search first, or name its results.csv")
    try:
        table = pd.read_csv(
            path,
            dtype_backend="numpy_nullable",  # integers stay integers beside empty cells
            keep_default_na=False,  # a choice may be called "None"
            na_values=["", "nan"],
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: not a results file: {one_line(error)}") from None
    if "objective" not in table.columns:
        raise UserError(f"{path}: not a results file: it has no column 'objective'")
    if not len(table):
        raise UserError(f"{path}: no trial has ended yet; wait for the search, or run it again to go on")
    numbers = pd.to_numeric(table["objective"], errors="coerce")
    cells = table.astype(object)
    rows: list[dict[str, Any]] = cells.where(cells.notna(), None).to_dict(orient="records")
    for row, number in zip(rows, numbers, strict=True):
        row["objective"] = float(number) if pd.notna(number) and abs(number) < LARGEST else None
    return rows


def _history_beside(results: Path) -> History:
    """Return what the journal beside a results file tells; nothing where there is none (an old or copied file)."""
    try:
        return History.replay(scan(SearchPaths(results.parent).journal)[0])
    except UserError:  # it is damaged: the file alone must do
        return History()


def _result(row: dict[str, Any], trials: Mapping[int, Trial]) -> Result:
    point, cells = _split(row, trials)
    if _is_of_today(row):
        facts = {name[2:]: value for name, value in cells.items() if name.startswith("m:")}
        return Result(
            cells.get("job_id", ""), point, row["objective"], facts.get("timestamp_gather", 0.0), facts
        )
    duration = {"duration": cells["duration"]} if "duration" in cells else {}
    return Result(cells.get("id", ""), point, row["objective"], cells.get("elapsed_sec", 0.0), duration)


def _split(row: dict[str, Any], trials: Mapping[int, Trial]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the point of a row, in today's columns or in the old ones, and all cells that hold something."""
    cells = {name: value for name, value in row.items() if value is not None}
    if _is_of_today(row):
        point = {name[2:]: value for name, value in cells.items() if name.startswith("p:")}
        trial = trials.get(cells.get("job_id", -1))
        if trial is not None and trial.objective == row["objective"] and _reads_as(trial.point, point):
            return trial.point, cells  # with the types that a CSV cannot tell
        return point, cells
    return {name: value for name, value in cells.items() if name not in OLD_COLUMNS}, cells


def _is_of_today(row: Mapping[str, Any]) -> bool:
    """Say whether a row has today's columns, by their prefix."""
    return any(name.startswith("p:") for name in row)


def _reads_as(point: Mapping[str, Any], cells: Mapping[str, Any]) -> bool:
    """Say whether a point's values are those of a row's cells."""
    shown = {name: str(value) for name, value in point.items() if str(value) not in EMPTY}
    return all(text == str(cells.get(name)) for name, text in shown.items())


def reruns_of(path: Path, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what reruns each result beside its point: run function, run-kwargs, seed, threads.

    It stands in the journal beside the results file; where there is none, only the recorded seed and threads are
    known.
    """
    identity = _history_beside(path).identity
    search = {"run": identity.run, "run_kwargs": dict(identity.run_kwargs)} if identity else {}
    return [
        {**search, **{name: result.facts[name] for name in CONSTANTS if name in result.facts}}
        for result in results
    ]


@dataclass(frozen=True)
class BestConfiguration:
    """The best point found, and what reruns it.

    Attributes:
        trial: The trial's id.
        point: The hyperparameters.
        objective: The objective that was recorded.
        run: Where the run function stands, if known.
        run_kwargs: Its constant arguments, the recorded seed and threads among them where they are known.
    """

    trial: str
    point: dict[str, Any]
    objective: float
    run: str | None
    run_kwargs: dict[str, Any]


def best_configuration(path: Path) -> BestConfiguration:
    """Read the best configuration from a ``results.csv``, or from a ``best.json`` that ``topk`` wrote.

    Raises:
        UserError: The file is neither, it is empty, or it holds only failures.
    """
    if path.suffix != ".json":
        result = read_results(path)[0]
        return _best(str(result.id), result.point, result.objective, reruns_of(path, [result])[0])
    try:
        first = dict(json.loads(path.read_text())["0"])
        trial, objective = str(first.pop("id")), float(first.pop("objective"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: there is no such file; make it with deephyper-analytics topk results.csv -o {path}"
        ) from None
    except (ValueError, KeyError, TypeError, OSError):
        raise UserError(
            f"{path}: not a file that deephyper-analytics topk results.csv -o {path.name} writes"
        ) from None
    first.pop("elapsed_sec", None)
    rerun = first.pop("rerun", {})
    return _best(trial, first, objective, rerun)


def _best(trial: str, point: dict[str, Any], objective: float, rerun: dict[str, Any]) -> BestConfiguration:
    constants: dict[str, Any] = {name: rerun[name] for name in CONSTANTS if name in rerun}
    return BestConfiguration(
        trial, point, objective, rerun.get("run"), {**constants, **rerun.get("run_kwargs", {})}
    )
