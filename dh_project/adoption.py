"""Ends that no driver heard of: what a worker wrote down before, or while, its driver died."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from dh_project.trial import RESULT, Cause, Ended, SearchPaths, State, Trial


def unheard_ends(paths: SearchPaths, trials: Iterable[Trial]) -> list[Ended]:
    """Return the ends of trials that the journal leaves running and whose last attempt left its result.

    Args:
        paths: The search's paths.
        trials: Trials that ran when the last session ended.
    """
    found = (_end_of(paths, trial) for trial in trials)
    return [end for end in found if end is not None]


def _end_of(paths: SearchPaths, trial: Trial) -> Ended | None:
    try:
        result = json.loads((paths.trial(trial.id, trial.attempt) / RESULT).read_text())
        if (result["trial"], result["attempt"], result["point"]) != (trial.id, trial.attempt, trial.point):
            return None
        state, objective = State(result["state"]), result["objective"]
        cause = Cause(result["cause"]) if result.get("cause") else None
        facts = dict(result["facts"])
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one that a worker wrote
        return None
    if not state.has_ended or state is State.LOST:
        return None
    if state.has_objective and not (isinstance(objective, float) and math.isfinite(objective)):
        return None
    return Ended(trial.id, trial.attempt, state, objective, result.get("reason"), cause, facts, trial.worker)
