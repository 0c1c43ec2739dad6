"""Describes what the failed trials of a search have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dh_project.trial.trial import Trial


def in_common(failed: Sequence[Trial], others: Sequence[Trial]) -> list[str]:
    """Return sentences about what the failed trials share and the others do not.

    Args:
        failed: Trials without an objective.
        others: Trials with an objective.

    Returns:
        The most frequent reason; then each hyperparameter whose values separate all failed trials from all others;
        then the host, if all failed trials ran on one host and others ran elsewhere.

    Example:
        >>> from dh_project.trial.trial import Cause, State
        >>> good = Trial(0, {"lr": 0.1}, "random", objective=1.0)
        >>> bad = Trial(1, {"lr": 1.0}, "random", state=State.FAILED, reason="loss is nan")
        >>> in_common([bad], [good])
        ['1 of 1: failed: loss is nan (trial 1)', 'all have lr from 1 on; it worked up to 0.1']
    """
    if not failed:
        return []
    kinds = Counter(_kind(trial) for trial in failed)
    commonest, count = kinds.most_common(1)[0]
    example = next(trial for trial in failed if _kind(trial) == commonest)
    said = [f"{count} of {len(failed)}: {commonest[0]}: {example.reason} (trial {example.id})"]
    if others:
        names = dict.fromkeys(name for trial in failed for name in trial.point)
        said += filter(None, (_telling(name, failed, others) for name in names))
    hosts = {_host(trial) for trial in failed}
    if len(hosts) == 1 and hosts != {""} and {_host(trial) for trial in others} - hosts:
        said.append(f"all ran on {hosts.pop()}, where others ran elsewhere too")
    return said


def _telling(name: str, failed: Sequence[Trial], others: Sequence[Trial]) -> str | None:
    """Return how a hyperparameter separates all failed trials from all others; None if it does not."""
    bad: list[Any] = [trial.point.get(name) for trial in failed]
    good: list[Any] = [trial.point.get(name) for trial in others]
    if all(_is_number(value) for value in [*bad, *good]):
        lowest_bad, highest_bad = min(map(float, bad)), max(map(float, bad))
        lowest_good, highest_good = min(map(float, good)), max(map(float, good))
        if lowest_bad > highest_good:
            return f"all have {name} from {lowest_bad:g} on; it worked up to {highest_good:g}"
        if highest_bad < lowest_good:
            return f"all have {name} up to {highest_bad:g}; it worked from {lowest_good:g} on"
        return None
    values = {str(value) for value in bad}
    if values & {str(value) for value in good}:
        return None
    return f"all have {name} = {' or '.join(sorted(values))}, which never worked"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(trial: Trial) -> tuple[str, str]:
    """Return the cause (or state) of a failure, and its reason with numbers replaced, to count equal failures."""
    return trial.cause or trial.state, re.sub(r"\d+", "#", trial.reason or "")


def _host(trial: Trial) -> str:
    return (trial.worker or "").partition(":")[0]
