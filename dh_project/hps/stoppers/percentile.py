"""The percentile rule of Optuna's ``PercentilePruner``, applied to running means as in the median rule."""

from __future__ import annotations

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.base import Curves, Stopper
from dh_project.hps.stoppers.peers import Peers, percentile
from dh_project.trial.trial import Trial


class PercentileStopper(Stopper):
    """Stops a trial whose best objective is below the top share of the other trials' means up to the same step.

    Optuna compares with the other trials' objectives at the step itself. Their means depend less on single lucky
    steps.

    Args:
        percentile: Share of trials that go on, in percent. With 25, the best quarter goes on.
        first_step: First step at which trials may be stopped.
        fewest: Fewest other trials that must have reported the same step.

    Raises:
        UserError: A value is out of range.

    Example:
        >>> stopper = PercentileStopper(percentile=25.0, fewest=4)
        >>> [stopper.goes_on(Trial(n, {}, "random", reports=[(1, -float(n))])) for n in (1, 2, 3, 4)]
        [True, True, True, True]
        >>> stopper.goes_on(Trial(5, {}, "random", reports=[(1, -2.0)]))
        False
    """

    name = "percentile"

    def __init__(self, percentile: float = 25.0, first_step: int = 1, fewest: int = 5) -> None:
        if not 0 < percentile < 100:
            raise UserError(f"percentile={percentile}: give a share above 0 and below 100, such as 25")
        if fewest < 1:
            raise UserError(f"fewest={fewest}: give at least 1")
        self.percentile, self.first_step, self.fewest = percentile, first_step, fewest
        self._curves, self._peers = Curves(), Peers()

    def goes_on(self, trial: Trial) -> bool:
        """Return whether the trial belongs to the best share."""
        step = trial.reports[-1][0]
        mean, best = self._curves.add(trial)
        others = self._peers.others(step, trial.id, mean)
        if step < self.first_step or len(others) < self.fewest:
            return True
        return best >= percentile(others, 100 - self.percentile)
