"""Ends that no driver heard of: what a worker wrote down before, or while, its driver died."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import RESULT
from dh_project.trial.events import Ended
from dh_project.trial.trial import Cause, Point, State, Trial


def unheard_ends(paths: SearchPaths, trials: Iterable[Trial]) -> list[Ended]:
    """Return the ends of trials that the journal leaves running and whose last attempt left its result.

    Args:
        paths: The search's paths.
        trials: Trials that ran when the last session ended.
    """
    folders = ((trial, paths.trial(trial.id, trial.attempt)) for trial in trials)
    found = (end_in(folder, trial.id, trial.attempt, trial.point, trial.worker) for trial, folder in folders)
    return [end for end in found if end is not None and end.state.has_ended and end.state is not State.LOST]


def end_in(folder: Path, trial: int, attempt: int, point: Point, worker: str | None = None) -> Ended | None:
    """Return the end of an attempt as its worker wrote it into its folder; None where there is none, or another's.

    Of several ranks it is the first one's. Where that failed there is none: it may have failed for want of another.
    """
    try:
        result = json.loads((folder / RESULT).read_text())
        if (result["trial"], result["attempt"], result["point"]) != (trial, attempt, point):
            return None
        end = end_of(trial, attempt, result, worker)
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one that a worker wrote
        return None
    return None if end.state is State.FAILED and result.get("world_size", 1) > 1 else end


def end_of(trial: int, attempt: int, result: Mapping[str, Any], worker: str | None = None) -> Ended:
    """Return the end that a worker's result tells.

    Raises:
        KeyError, TypeError, ValueError: No worker wrote it.
    """
    state, objective = State(result["state"]), result["objective"]
    cause = Cause(result["cause"]) if result.get("cause") else None
    if state.has_objective and not (isinstance(objective, float) and math.isfinite(objective)):
        raise ValueError("no objective")
    return Ended(trial, attempt, state, objective, result.get("reason"), cause, dict(result["facts"]), worker)
