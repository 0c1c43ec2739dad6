"""Reading ``results.csv`` in today's format and in that of DeepHyper 0.1 to 0.3, whose columns have no prefix."""

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
"""Recorded values that the objective depends on and that a run function accepts as arguments."""


@dataclass(frozen=True)
class Result:
    """One successful row of a results file.

    Attributes:
        id: The trial's id (a number today, a UUID in old files).
        point: The hyperparameters.
        objective: Larger is better.
        elapsed: Time of the trial's end, in seconds of search time.
        facts: The other columns, without the prefix ``m:``.
    """

    id: int | str
    point: dict[str, Any]
    objective: float
    elapsed: float
    facts: dict[str, Any]


OLD_COLUMNS = ("id", "objective", "elapsed_sec", "duration")
"""Columns of DeepHyper 0.1 to 0.3 that are not hyperparameters."""

EMPTY = ("None", "", "nan")
"""Choices that look like an empty cell in a CSV file."""

LARGEST = 1e38
"""Old files have the smallest float32 as the objective of a failed trial; its size is above this limit."""


def read_results(path: Path) -> list[Result]:
    """Read the successful rows of a results file, best first.

    Args:
        path: A ``results.csv`` in today's or an old format. If the journal lies beside it, points have its types.

    Raises:
        UserError: The file is not a results file, it is empty, or all its trials failed.
    """
    rows = read_rows(path)
    good = [row for row in rows if row["objective"] is not None]
    if not good:
        raise UserError(
            f"{path}: all {len(rows)} trials failed; the column m:reason and each trial's log.txt say why"
        )
    trials = _history_beside(path).trials  # a CSV does not tell 1 from "1"; the journal does
    best_first = sorted(good, key=lambda row: -row["objective"])
    return [_result(row, trials) for row in best_first]


def read_outcomes(path: Path) -> list[tuple[dict[str, Any], float | None]]:
    """Return the point and the objective of each row of a results file, in its order.

    A point may contain further columns of an old file. The objective is None if the trial failed.

    Raises:
        UserError: The file is not a results file, or it is empty.
    """
    trials = _history_beside(path).trials
    return [(_split(row, trials)[0], row["objective"]) for row in read_rows(path)]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a results file with its columns; the objective is None if the trial failed.

    Raises:
        UserError: The file is not a results file, or it is empty.
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
    """Return the history of the journal beside a results file; an empty one if there is none (a copied file)."""
    try:
        return History.replay(scan(SearchPaths(results.parent).journal)[0])
    except UserError:  # the journal is damaged: use the results file alone
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
    """Return the point of a row in today's or the old format, and all cells that are not empty."""
    cells = {name: value for name, value in row.items() if value is not None}
    if _is_of_today(row):
        point = {name[2:]: value for name, value in cells.items() if name.startswith("p:")}
        trial = trials.get(cells.get("job_id", -1))
        if trial is not None and trial.objective == row["objective"] and _reads_as(trial.point, point):
            return trial.point, cells  # with the types of the journal
        return point, cells
    return {name: value for name, value in cells.items() if name not in OLD_COLUMNS}, cells


def _is_of_today(row: Mapping[str, Any]) -> bool:
    """Return whether a row has today's columns, which have prefixes."""
    return any(name.startswith("p:") for name in row)


def _reads_as(point: Mapping[str, Any], cells: Mapping[str, Any]) -> bool:
    """Return whether a point has the values of a row's cells."""
    shown = {name: str(value) for name, value in point.items() if str(value) not in EMPTY}
    return all(text == str(cells.get(name)) for name, text in shown.items())


def reruns_of(path: Path, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the settings, beside its point, that rerun each result: run function, run-kwargs, seed, threads.

    They are read from the journal beside the results file. Without a journal only the recorded seed and threads are
    known.

    Args:
        path: The results file.
        results: Results of that file.
    """
    identity = _history_beside(path).identity
    search = {"run": identity.run, "run_kwargs": dict(identity.run_kwargs)} if identity else {}
    return [
        {**search, **{name: result.facts[name] for name in CONSTANTS if name in result.facts}}
        for result in results
    ]


@dataclass(frozen=True)
class BestConfiguration:
    """The best point of a search, and the settings that rerun it.

    Attributes:
        trial: The trial's id.
        point: The hyperparameters.
        objective: The recorded objective.
        run: Import path of the run function; None if unknown.
        run_kwargs: Its constant arguments, with the recorded seed and threads if they are known.
    """

    trial: str
    point: dict[str, Any]
    objective: float
    run: str | None
    run_kwargs: dict[str, Any]


def best_configuration(path: Path) -> BestConfiguration:
    """Read the best configuration from a ``results.csv``, or from a ``best.json`` that ``topk`` wrote.

    Raises:
        UserError: The file is neither, it is empty, or all its trials failed.
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
