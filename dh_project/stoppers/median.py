"""The median stopping rule (Golovin et al., Google Vizier, KDD 2017, section 3.2.2)."""

from __future__ import annotations

import statistics
from collections.abc import Collection

from dh_project.errors import UserError
from dh_project.stoppers.base import Stopper, best_until, by_step
from dh_project.trial import Trial


class MedianStopper(Stopper):
    """Stops a trial whose best objective is below the median of what the others averaged up to the same step.

    Args:
        first_step: The step from which on trials are judged.
        fewest: Other trials that must have come to that step.

    Raises:
        UserError: ``fewest`` is below 1.
    """

    name = "median"

    def __init__(self, first_step: int = 1, fewest: int = 5) -> None:
        if fewest < 1:
            raise UserError(f"--stopper median: fewest={fewest}: give at least 1")
        self.first_step, self.fewest = first_step, fewest

    def goes_on(self, trial: Trial, trials: Collection[Trial]) -> bool:
        """Say whether the trial is at or above the median."""
        step = trial.reports[-1][0]
        if step < self.first_step:
            return True
        averages = [
            statistics.fmean(value for at, value in by_step(other).items() if at <= step)
            for other in trials
            if other.id != trial.id and other.reports and _spans(other, step)
        ]
        best = best_until(trial, step)
        return best is None or len(averages) < self.fewest or best >= statistics.median(averages)


def _spans(trial: Trial, step: int) -> bool:
    """Say whether a trial's reports begin at or before a step and have come to it."""
    steps = by_step(trial)
    return min(steps) <= step <= max(steps)
