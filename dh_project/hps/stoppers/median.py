"""The median stopping rule (Golovin et al., Google Vizier, KDD 2017, section 3.2.2)."""

from __future__ import annotations

import statistics
from collections import defaultdict

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.base import Curves, Stopper
from dh_project.trial.trial import Trial

MOST_COMPARED = 500
"""Largest number of trials that are compared at a step; the latest ones."""


class MedianStopper(Stopper):
    """Stops a trial if its best objective is below the median of the other trials' means up to the same step.

    Args:
        first_step: First step at which trials may be stopped.
        fewest: Fewest other trials that must have reported the same step.

    Raises:
        UserError: ``fewest`` is below 1.
    """

    name = "median"

    def __init__(self, first_step: int = 1, fewest: int = 5) -> None:
        if fewest < 1:
            raise UserError(f"fewest={fewest}: give at least 1")
        self.first_step, self.fewest = first_step, fewest
        self._curves = Curves()
        self._averages: defaultdict[int, dict[int, float]] = defaultdict(dict)  # by step and trial

    def goes_on(self, trial: Trial) -> bool:
        """Return whether the trial is at or above the median."""
        step = trial.reports[-1][0]
        (mean, best), averages = self._curves.add(trial), self._averages[step]
        averages.pop(trial.id, None)
        others = list(averages.values())
        averages[trial.id] = mean
        if len(averages) > MOST_COMPARED:
            del averages[next(iter(averages))]
        if step < self.first_step or len(others) < self.fewest:
            return True
        return best >= statistics.median(others)
