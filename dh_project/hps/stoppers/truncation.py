"""Truncation selection, as in Azure ML's HyperDrive."""

from __future__ import annotations

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.base import Curves, Stopper
from dh_project.hps.stoppers.peers import Peers, is_due
from dh_project.trial.trial import Trial


class TruncationStopper(Stopper):
    """Stops a trial that is among the worst trials at the same step, compared by their best objectives so far.

    Args:
        truncation_percentage: Share of the worst trials that are stopped at each decision, in percent.
        evaluation_interval: Number of steps between two decisions about a trial.
        delay_evaluation: Number of steps before the first decision.

    Raises:
        UserError: A value is out of range.

    Example:
        >>> stopper = TruncationStopper(truncation_percentage=50)
        >>> [stopper.goes_on(Trial(n, {}, "random", reports=[(1, -float(n))])) for n in (1, 2, 3)]
        [True, False, False]
    """

    name = "truncation"

    def __init__(
        self, truncation_percentage: float = 20.0, evaluation_interval: int = 1, delay_evaluation: int = 0
    ) -> None:
        if not 0 < truncation_percentage < 100:
            raise UserError(
                f"truncation_percentage={truncation_percentage}: give a share above 0 and below 100, such as 20"
            )
        if evaluation_interval < 1 or delay_evaluation < 0:
            raise UserError("delay_evaluation is 0 or more, evaluation_interval at least 1")
        self.percentage = truncation_percentage
        self.interval, self.delay = evaluation_interval, delay_evaluation
        self._curves, self._peers = Curves(), Peers()

    def goes_on(self, trial: Trial) -> bool:
        """Return whether the trial is better than the worst share. Equal trials share the better place."""
        step = trial.reports[-1][0]
        own = self._curves.add(trial)[1]
        others = self._peers.others(step, trial.id, own)
        if not is_due(step, self.interval, self.delay):
            return True
        not_better = 1 + sum(other <= own for other in others)
        return not_better > (1 + len(others)) * self.percentage / 100
