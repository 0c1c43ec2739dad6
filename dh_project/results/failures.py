"""What failed trials have in common, in words: the first thing to know about a search that fails."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dh_project.trial.trial import Trial


def in_common(failed: Sequence[Trial], others: Sequence[Trial]) -> list[str]:
    """Return what the failed trials share and the others do not, most telling first.

    Args:
        failed: Trials without an objective.
        others: Trials with one.

    Returns:
        Sentences: the commonest reason; each hyperparameter whose values tell all failed trials from all others;
        the host, where all failed on one and others did not.
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
    """Say how a hyperparameter tells all failed trials from all others; None where it does not."""
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
    """Return the cause (or state) of a failure, and its reason without the numbers that differ among its like."""
    return trial.cause or trial.state, re.sub(r"\d+", "#", trial.reason or "")


def _host(trial: Trial) -> str:
    return (trial.worker or "").partition(":")[0]
