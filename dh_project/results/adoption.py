"""Reads the results that workers wrote after their driver had died."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import OLD_RESULT, RESULT
from dh_project.trial.events import Ended, Event, Reported
from dh_project.trial.trial import Cause, Point, State, Trial


def unheard_ends(paths: SearchPaths, trials: Iterable[Trial]) -> list[Event]:
    """Return the ends of trials that are running according to the journal but whose last attempt wrote a result.

    The last report of the attempt comes before its end if it is not on record: stoppers compare parked trials by it.

    Args:
        paths: The search's paths.
        trials: Trials that were running when the last session ended.
    """
    trials = list(trials)
    folders = ((trial, paths.trial(trial.id, trial.attempt)) for trial in trials)
    found = (end_in(folder, trial.id, trial.attempt, trial.point, trial.worker) for trial, folder in folders)
    known = {trial.id: trial for trial in trials}
    events: list[Event] = []
    for end in found:
        if end is None or not (
            end.state is State.PARKED or (end.state.has_ended and end.state is not State.LOST)
        ):
            continue
        report = _last_report(paths.trial(end.trial, end.attempt), end)
        events += (
            [report]
            if report and (report.step, report.objective) not in known[end.trial].reports[-1:]
            else []
        )
        events.append(end)
    return events


def _last_report(folder: Path, end: Ended) -> Reported | None:
    """Return the last report of an attempt that wrote a result; None if there is none."""
    try:
        step, objective = json.loads((folder / RESULT).read_text())["last_report"]
        return Reported(end.trial, end.attempt, int(step), float(objective))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def end_in(folder: Path, trial: int, attempt: int, point: Point, worker: str | None = None) -> Ended | None:
    """Return the end of an attempt from the result file in its folder.

    Returns:
        The end; None if there is no file, or it belongs to another trial. A trial of several ranks has the result of
        its first rank. If that rank failed, None: it may have failed only because another rank was lost.
    """
    for name in (RESULT, OLD_RESULT):
        try:
            result = json.loads((folder / name).read_text())
            if (result["trial"], result["attempt"], result["point"]) != (trial, attempt, point):
                continue
            end = end_of(trial, attempt, result, worker)
        except (OSError, ValueError, KeyError, TypeError):  # there is no file, or no worker wrote it
            continue
        return None if end.state is State.FAILED and result.get("world_size", 1) > 1 else end
    return None


def end_of(trial: int, attempt: int, result: Mapping[str, Any], worker: str | None = None) -> Ended:
    """Return the end of an attempt from the content of its result file.

    Raises:
        KeyError, TypeError, ValueError: No worker wrote this content.
    """
    state, objective = State(result["state"]), result["objective"]
    cause = Cause(result["cause"]) if result.get("cause") else None
    if state.has_objective and not (isinstance(objective, float) and math.isfinite(objective)):
        raise ValueError("no objective")
    return Ended(trial, attempt, state, objective, result.get("reason"), cause, dict(result["facts"]), worker)
