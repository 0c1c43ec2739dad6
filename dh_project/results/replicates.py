"""Replicates: the trials of one point, which differ in their seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dh_project.trial.trial import Trial

FEWEST = 2
"""Fewest objectives that have a standard error."""


def standard_error(objectives: Sequence[float]) -> float | None:
    """Return the standard error of the mean; None for fewer than two objectives.

    >>> standard_error([1.0, 3.0])
    1.0
    """
    if len(objectives) < FEWEST:
        return None
    return statistics.stdev(objectives) / math.sqrt(len(objectives))


@dataclass
class Replicates:
    """The trials of one point.

    Attributes:
        trials: The trials, the first one first.
    """

    trials: list[Trial] = field(default_factory=list)

    @property
    def objectives(self) -> list[float]:
        """The objectives of the trials that have ended with one."""
        return [trial.objective for trial in self.trials if trial.objective is not None]

    @property
    def failed(self) -> int:
        """Number of trials that ended without an objective."""
        return sum(trial.state.has_ended and trial.objective is None for trial in self.trials)

    @property
    def mean(self) -> float | None:
        """Mean of the objectives; None if there is none."""
        return statistics.fmean(self.objectives) if self.objectives else None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None for fewer than two objectives."""
        return standard_error(self.objectives)


def replicates_of(trials: Iterable[Trial]) -> dict[int, Replicates]:
    """Return the replicates of each point, by the id of the point's first trial, in the order of these ids."""
    found: dict[int, Replicates] = {}
    for trial in sorted(trials, key=lambda trial: trial.id):
        found.setdefault(trial.first_replicate, Replicates()).trials.append(trial)
    return found
