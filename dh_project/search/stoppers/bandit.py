"""Bandit early termination, as HyperDrive and Azure ML name it."""

from __future__ import annotations

import heapq
from collections import defaultdict

from dh_project.common.errors import UserError
from dh_project.search.stoppers.base import Curves, Stopper
from dh_project.trial.trial import Trial


class BanditStopper(Stopper):
    """Stops a trial that falls behind the best one's objective at the same step by more than a slack.

    Args:
        slack_factor: Share by which it may be worse than the best: with 0.2 an error may be a fifth larger.
        slack_amount: The same as a difference of objectives; one of the two is given.
        evaluation_interval: Judge at each of so many steps.
        delay_evaluation: Steps before the first judgement.

    Raises:
        UserError: Neither slack or both are given, or a value is out of range.
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
        """Say whether the trial keeps within the slack."""
        step = trial.reports[-1][0]
        own = self._curves.add(trial)[1]
        best = self._best_other(step, trial.id, own)
        if best is None or step <= self.delay or (step - self.delay) % self.interval:
            return True
        return own >= self._lowest(best)

    def _best_other(self, step: int, number: int, own: float) -> float | None:
        """Note a trial's objective at a step, and return the best one of the other trials there.

        The heap may hold entries of trials that reported the step again; those are dropped when they come to the top.
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
        """Return the lowest objective that goes on."""
        if self.slack_factor is None:
            return best - (self.slack_amount or 0.0)
        ratio = 1 + self.slack_factor  # a negative objective is an error, that may be so many times larger
        return best * ratio if best < 0 else best / ratio
