"""``results.csv``: the view of a search that people and DeepHyper 0.13's analysis functions read.

One row an ended trial: ``p:<hyperparameter>``, ``objective``, ``job_id``, ``job_status``,
``m:timestamp_submit``, ``m:timestamp_gather`` (seconds of search time), and ``m:<fact>`` for each recorded
fact. Where a trial has no objective, that column, and only that, holds ``F_<state>``, as DeepHyper marks
failures, and ``m:reason`` says why. Old files of DeepHyper 0.1 to 0.3, whose columns have no prefix, can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dh_project.errors import UserError, one_line
from dh_project.files import write_table
from dh_project.history import History
from dh_project.journal import scan
from dh_project.trial import SearchPaths, Trial

LEAD = (
    "objective",
    "job_id",
    "job_status",
    "m:timestamp_submit",
    "m:timestamp_gather",
    "m:origin",
    "m:attempt",
    "m:reason",
)
"""The columns behind the hyperparameters. A recorded fact of such a name gives way to them."""

CONSTANTS = ("seed", "threads")
"""Facts that a run function records and takes, and that its objective depends on."""


def row_of(trial: Trial) -> dict[str, Any]:
    """Return the row of an ended trial."""
    failure = f"F_{trial.state}"
    return {
        **{f"p:{name}": value for name, value in trial.point.items()},
        **{f"m:{name}": value for name, value in trial.facts.items()},
        "objective": failure if trial.objective is None else trial.objective,
        "job_id": trial.id,
        "job_status": trial.state.upper(),
        "m:timestamp_submit": trial.submitted,
        "m:timestamp_gather": trial.ended,
        "m:origin": trial.origin,
        "m:attempt": trial.attempt,
        "m:reason": trial.reason,
    }


def write_results(history: History, names: Iterable[str], path: Path) -> None:
    """Replace ``results.csv`` by the rows of all ended trials, in the order of their ends.

    Args:
        history: What is known of the search.
        names: The problem's hyperparameters, which give the first columns their order.
        path: The file.
    """
    rows = [row_of(trial) for trial in history.ended]
    write_table(path, rows, first_columns=[*(f"p:{name}" for name in names), *LEAD])


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


def read_results(path: Path) -> list[Result]:
    """Read the successful rows of a results file, today's or an old one, best first.

    Raises:
        UserError: It is no results file, it is empty, or it holds only failures.
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
            na_values=[""],
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: not a results file: {one_line(error)}") from None
    if "objective" not in table.columns:
        raise UserError(f"{path}: not a results file: it has no column 'objective'")
    if not len(table):
        raise UserError(f"{path}: no trial has ended yet; wait for the search, or run it again to go on")
    numbers = pd.to_numeric(table["objective"], errors="coerce")
    good = table.assign(objective=numbers)[numbers.notna()].sort_values(
        "objective", ascending=False, kind="stable"
    )
    if not len(good):
        raise UserError(
            f"{path}: all {len(table)} trials failed; the column m:reason and each trial's log.txt say why"
        )
    trials = _history_beside(path).trials  # the journal knows the types that a CSV cannot tell
    return [_result(row, trials) for row in good.astype(object).to_dict(orient="records")]


def _history_beside(results: Path) -> History:
    """Return what the journal beside a results file tells; nothing where there is none (an old or copied file)."""
    return History.replay(scan(SearchPaths(results.parent).journal)[0])


def _result(row: dict[str, Any], trials: Mapping[int, Trial]) -> Result:
    """Split a row, in today's columns or in the old ones, into its parts."""
    known = {name: value for name, value in row.items() if value == value and str(value) != "<NA>"}
    objective = float(known.pop("objective"))
    if any(name.startswith("p:") for name in row):
        trial = trials.get(known.get("job_id", -1))
        if trial is not None and trial.objective == objective:
            point = trial.point
        else:
            point = {name[2:]: value for name, value in known.items() if name.startswith("p:")}
        facts = {name[2:]: value for name, value in known.items() if name.startswith("m:")}
        return Result(known.get("job_id", ""), point, objective, facts.get("timestamp_gather", 0.0), facts)
    identifier, elapsed = known.pop("id", ""), known.pop("elapsed_sec", 0.0)
    duration = {"duration": known.pop("duration")} if "duration" in known else {}
    return Result(identifier, known, objective, elapsed, duration)


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
