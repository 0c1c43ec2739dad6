"""Bandit early termination, as in Azure ML's HyperDrive."""

from __future__ import annotations

import heapq
from collections import defaultdict

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.base import Curves, Stopper
from dh_project.hps.stoppers.peers import is_due
from dh_project.trial.trial import Trial


class BanditStopper(Stopper):
    """Stops a trial whose objective is worse than the best one at the same step by more than a slack.

    Args:
        slack_factor: Slack as a share of the best objective. With 0.2, an error may be 20 % larger.
        slack_amount: Slack as a difference of objectives. Give either ``slack_factor`` or ``slack_amount``.
        evaluation_interval: Number of steps between two decisions about a trial.
        delay_evaluation: Number of steps before the first decision.

    Raises:
        UserError: Neither or both slacks are given, or a value is out of range.

    Example:
        >>> stopper, best = BanditStopper(slack_amount=0.5), Trial(0, {}, "random", reports=[(1, -1.0)])
        >>> stopper.goes_on(best)
        True
        >>> stopper.goes_on(Trial(1, {}, "random", reports=[(1, -1.4)]))
        True
        >>> stopper.goes_on(Trial(2, {}, "random", reports=[(1, -1.6)]))
        False
    """

    name = "bandit"

    def __init__(
        self,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
    ) -> None:
        if (slack_factor is None) == (slack_amount is None):
            raise UserError("give slack_factor=0.2 or slack_amount=0.05, one of the two")
        slack = slack_amount if slack_factor is None else slack_factor
        if slack is None or slack < 0 or evaluation_interval < 1 or delay_evaluation < 0:
            raise UserError("the slack and delay_evaluation are 0 or more, evaluation_interval at least 1")
        self.slack_factor, self.slack_amount = slack_factor, slack_amount
        self.interval, self.delay = evaluation_interval, delay_evaluation
        self._curves = Curves()
        self._values: defaultdict[int, dict[int, float]] = defaultdict(dict)  # by step and trial
        self._ranked: defaultdict[int, list[tuple[float, int]]] = defaultdict(
            list
        )  # by step, see _best_other

    def goes_on(self, trial: Trial) -> bool:
        """Return whether the trial is within the slack."""
        step = trial.reports[-1][0]
        own = self._curves.add(trial)[1]
        best = self._best_other(step, trial.id, own)
        if best is None or not is_due(step, self.interval, self.delay):
            return True
        return own >= self._lowest(best)

    def _best_other(self, step: int, number: int, own: float) -> float | None:
        """Record a trial's objective at a step, and return the best objective of the other trials at that step.

        The heap may have entries of trials that reported the step again. They are dropped when they reach the top.
        """
        values, ranked = self._values[step], self._ranked[step]
        values.pop(number, None)
        while ranked and values.get(ranked[0][1]) != -ranked[0][0]:
            heapq.heappop(ranked)
        best = -ranked[0][0] if ranked else None
        values[number] = own
        heapq.heappush(ranked, (-own, number))
        return best

    def _lowest(self, best: float) -> float:
        """Return the lowest objective with which a trial continues."""
        if self.slack_factor is None:
            return best - (self.slack_amount or 0.0)
        ratio = 1 + self.slack_factor  # a negative objective is minus an error, which may be larger
        return best * ratio if best < 0 else best / ratio
