"""Early stopping of a trial that no longer improves, as in Keras and Lightning."""

from __future__ import annotations

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.base import Stopper
from dh_project.trial.trial import Trial


class PatienceStopper(Stopper):
    """Stops a trial whose own objective has not improved for some steps, whether it leads or not.

    Args:
        patience: Number of steps without an improvement after which the trial is stopped.
        min_delta: Smallest increase of the objective that counts as an improvement.
        first_step: First step at which trials may be stopped.

    Raises:
        UserError: A value is out of range.

    Example:
        >>> stopper = PatienceStopper(patience=2)
        >>> trial = Trial(0, {}, "random")
        >>> for report in [(1, -3.0), (2, -1.0), (3, -1.0), (4, -2.0)]:
        ...     trial.reports.append(report)
        ...     print(report, stopper.goes_on(trial))
        (1, -3.0) True
        (2, -1.0) True
        (3, -1.0) True
        (4, -2.0) False
    """

    name = "patience"

    def __init__(self, patience: int = 10, min_delta: float = 0.0, first_step: int = 1) -> None:
        if patience < 1 or min_delta < 0:
            raise UserError("patience is at least 1, min_delta 0 or more")
        self.patience, self.min_delta, self.first_step = patience, min_delta, first_step
        self._known: dict[int, tuple[int, int, float]] = {}  # by trial: last step, step of the best, best

    def goes_on(self, trial: Trial) -> bool:
        """Return whether the trial has improved lately."""
        step, value = trial.reports[-1]
        last, improved, best = self._known.get(trial.id, (None, step, value))
        if last is None or step > last:
            improved, best = self._improve(improved, best, step, value)
        else:  # reported again: the last value of each step counts
            values = sorted((at, value) for at, value in dict(trial.reports).items() if at <= step)
            improved, best = values[0]
            for at, value in values[1:]:
                improved, best = self._improve(improved, best, at, value)
        self._known[trial.id] = step, improved, best
        return step < self.first_step or step - improved < self.patience

    def _improve(self, improved: int, best: float, step: int, value: float) -> tuple[int, float]:
        """Return the step of the last improvement and the objective there, after a report."""
        return (step, value) if value > best + self.min_delta else (improved, best)
