"""Tests of the contract of stoppers (:mod:`dh_project.hps.stoppers.base`), for your own stopper to inherit.

Example::

    from dh_project.testing.stopper import StopperContract

    class TestMyStopper(StopperContract):
        def make(self):
            return MyStopper(...)  # with settings for early decisions

To see the values in failed assertions, add ``pytest.register_assert_rewrite("dh_project.testing.stopper")`` to your
``conftest.py``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import pytest

from dh_project.hps.stoppers.base import Stopper
from dh_project.trial.trial import State, Trial

STEPS = 10
RISING = [0.1 * step for step in range(STEPS)]


class StopperContract(ABC):
    """Base class of tests. Name your class ``Test...`` and implement :meth:`make`."""

    @abstractmethod
    def make(self) -> Stopper:
        """Return the stopper under test. It must stop a hopeless trial at step 10 or earlier."""

    def crowd(self, level: float = 0.0) -> Stopper:
        """Return a stopper that has seen 12 trials with all steps, with objectives level - 1, level - 2, ..."""
        stopper = self.make()
        for number in range(1, 13):
            show(stopper, number, [level - number] * STEPS)
        return stopper

    def test_a_hopeless_trial_is_stopped(self) -> None:
        assert not all(show(self.crowd(), 0, [-1e6] * STEPS))

    def test_a_trial_that_leads_goes_on(self) -> None:
        assert all(show(self.crowd(), 0, RISING))

    def test_a_trial_that_leads_goes_on_if_all_objectives_are_positive(self) -> None:
        assert all(show(self.crowd(100.0), 0, [200.0 + more for more in RISING]))

    def test_the_only_trial_goes_on(self) -> None:
        assert all(show(self.make(), 0, RISING))

    def test_equal_trials_go_on(self) -> None:
        stopper = self.make()
        assert all(all(show(stopper, number, RISING)) for number in range(12))

    def test_trials_may_report_at_the_same_time(self) -> None:
        stopper, trials = self.make(), [Trial(n, {}, "any", 1, State.RUNNING) for n in range(12)]
        for step in range(1, STEPS + 1):
            said = [tell(stopper, trial, step, -float(trial.id)) for trial in trials]
            assert said[0]

    def test_steps_may_begin_and_be_spaced_otherwise(self) -> None:
        stopper, trial = self.crowd(), Trial(0, {}, "any", 1, State.RUNNING)
        assert all(tell(stopper, trial, step, float(step)) for step in (5, 50, 1000))

    @pytest.mark.parametrize("mistaken", [-1e6, 1e6])
    def test_a_step_that_is_reported_again_counts_once_with_its_last_value(self, mistaken: float) -> None:
        once, again = self.make(), self.make()
        for number in range(1, 13):
            for stopper in (once, again):
                trial = Trial(number, {}, "any", 1, State.RUNNING)
                tell(stopper, trial, 1, -float(number))
                if stopper is again:
                    tell(stopper, trial, 2, mistaken)
                    trial.attempt = 2
                tell(stopper, trial, 2, -float(number))
        newcomers = [[-level, -level] for level in (0.1, 0.9, 1.1, 3.0, 6.4, 6.6, 9.0, 12.1)]
        said = [
            [show(stopper, 20 + n, reports) for n, reports in enumerate(newcomers)]
            for stopper in (once, again)
        ]
        assert said[0] == said[1]

    def test_a_trial_is_judged_by_the_last_value_of_a_step_that_it_reported_again(self) -> None:
        for first, last in ((-1e6, 1.0), (1e6, -1e6)):
            stopper, trial = self.crowd(), Trial(0, {}, "any", 1, State.RUNNING)
            for step in range(1, STEPS + 1):
                tell(stopper, trial, step, first)
            trial.attempt = 2
            said = [tell(stopper, trial, step, last) for step in range(1, STEPS + 1)]
            assert all(said) == (last > 0)

    def test_a_trial_is_not_compared_with_its_own_reports_before_an_interruption(self) -> None:
        stopper, trial = self.make(), Trial(0, {}, "any", 1, State.RUNNING)
        tell(stopper, trial, 1, 1e6)
        trial.attempt = 2
        assert tell(stopper, trial, 1, 1.0)

    def test_the_same_reports_give_the_same_answers(self) -> None:
        assert show(self.crowd(), 0, [-1e6] * STEPS) == show(self.crowd(), 0, [-1e6] * STEPS)

    def test_trials_are_not_changed(self) -> None:
        trial = Trial(0, {}, "any", 1, State.RUNNING, reports=[(1, -1.0)])
        before = copy.deepcopy(trial)
        self.crowd().goes_on(trial)
        assert trial == before


def tell(stopper: Stopper, trial: Trial, step: int, objective: float) -> bool:
    """Let a trial report an objective, and return whether it continues."""
    trial.reports.append((step, objective))
    return stopper.goes_on(trial)


def show(stopper: Stopper, number: int, objectives: list[float]) -> list[bool]:
    """Let a new trial report objectives from step 1 on; return the decisions up to the first negative one."""
    trial, said = Trial(number, {}, "any", 1, State.RUNNING), []
    for step, objective in enumerate(objectives, start=1):
        said.append(tell(stopper, trial, step, objective))
        if not said[-1]:
            break
    return said
