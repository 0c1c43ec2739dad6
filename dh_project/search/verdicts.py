"""What a stopper has said of a search's trials: its first verdict on one stands, for all of its attempts."""

from __future__ import annotations

import logging

from dh_project.search.stoppers.base import Stopper
from dh_project.trial.trial import Trial

log = logging.getLogger("dh_project")


class Verdicts:
    """Lets a stopper see reports, and keeps which trials it ends.

    Args:
        stopper: None lets all go on.

    Attributes:
        steps: The trials that it ends, and the step that it judged of each.
    """

    def __init__(self, stopper: Stopper | None) -> None:
        self._stopper = stopper
        self.steps: dict[int, int] = {}

    def judge(self, trial: Trial) -> bool:
        """Let the stopper see a trial's last report; say whether it ends the trial, and did not before."""
        try:
            is_stopped = self._stopper is not None and not self._stopper.goes_on(trial)
        except Exception:
            log.exception("the stopper failed; trial %d goes on", trial.id)
            return False
        is_first = is_stopped and trial.id not in self.steps
        if is_first:
            self.steps[trial.id] = trial.reports[-1][0]
        return is_first
