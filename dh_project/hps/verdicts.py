"""Keeps the decisions of a stopper. Once a trial is to be stopped, this holds for all of its attempts."""

from __future__ import annotations

import logging

from dh_project.hps.stoppers.base import Stopper
from dh_project.trial.trial import Trial

log = logging.getLogger("dh_project")


class Verdicts:
    """Passes reports to a stopper and keeps which trials it ends.

    Args:
        stopper: The stopper; None ends no trial.

    Attributes:
        steps: By the id of each trial that the stopper ends, the step of the decisive report.
    """

    def __init__(self, stopper: Stopper | None) -> None:
        self._stopper = stopper
        self.steps: dict[int, int] = {}

    @property
    def has_stopper(self) -> bool:
        """Whether there is a stopper."""
        return self._stopper is not None

    def judge(self, trial: Trial) -> bool:
        """Pass a trial's last report to the stopper; return whether it ends the trial for the first time."""
        try:
            is_stopped = self._stopper is not None and not self._stopper.goes_on(trial)
        except Exception:
            log.exception("the stopper failed; trial %d continues", trial.id)
            return False
        is_first = is_stopped and trial.id not in self.steps
        if is_first:
            self.steps[trial.id] = trial.reports[-1][0]
        return is_first
