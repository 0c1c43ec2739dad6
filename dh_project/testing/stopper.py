"""What every stopper promises: a test class to inherit.

Example::

    from dh_project.testing.stopper import StopperContract

    class TestMyStopper(StopperContract):
        def make(self):
            return MyStopper(...)  # with settings by which it judges early
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

from dh_project.stoppers.base import Stopper
from dh_project.trial import State, Trial

STEPS = 10


def reporting(number: int, *objectives: float, state: State = State.RUNNING, first_step: int = 1) -> Trial:
    """Return a trial that has reported these objectives, at steps from ``first_step`` on."""
    return Trial(number, {}, "any", 1, state, reports=list(enumerate(objectives, first_step)))


def crowd(level: float = 0.0) -> list[Trial]:
    """Return a dozen trials that have come to the last step, at most ``level``, by 1 apart from one another."""
    return [reporting(n, *[level - n] * STEPS, state=State.DONE) for n in range(1, 13)]


class StopperContract(ABC):
    """Inherit it, and say how to make the stopper."""

    @abstractmethod
    def make(self) -> Stopper:
        """Return the stopper under test; it shall stop a hopeless trial at the latest at step 10."""

    def decisions(self, trial: Trial, others: list[Trial]) -> list[bool]:
        """Return what is said after each report of a trial, up to the first no."""
        stopper, said = self.make(), []
        for count in range(1, len(trial.reports) + 1):
            shown = copy.copy(trial)
            shown.reports = trial.reports[:count]
            said.append(stopper.goes_on(shown, [*others, shown]))
            if not said[-1]:
                break
        return said

    def test_a_hopeless_trial_is_stopped(self) -> None:
        assert not all(self.decisions(reporting(0, *[-1e6] * STEPS), crowd()))

    def test_a_trial_that_leads_goes_on(self) -> None:
        assert all(self.decisions(reporting(0, *[1.0] * STEPS), crowd()))

    def test_a_trial_that_leads_goes_on_where_all_objectives_are_positive(self) -> None:
        assert all(self.decisions(reporting(0, *[200.0] * STEPS), crowd(100.0)))

    def test_the_only_trial_goes_on(self) -> None:
        assert all(self.decisions(reporting(0, *[-1e6] * STEPS), []))

    def test_trials_that_have_not_reported_do_not_count(self) -> None:
        silent = [Trial(n, {}, "any", 1, State.RUNNING) for n in range(1, 13)]
        assert all(self.decisions(reporting(0, *[-1e6] * STEPS), silent))

    def test_equal_trials_go_on(self) -> None:
        others = [reporting(n, *[-1.0] * STEPS) for n in range(1, 13)]
        assert all(self.decisions(reporting(0, *[-1.0] * STEPS), others))

    def test_failed_trials_count_with_what_they_reported(self) -> None:
        others = [reporting(n, *[0.0] * STEPS, state=State.FAILED) for n in range(1, 13)]
        assert self.make().goes_on(reporting(0, 1.0), others)

    def test_steps_may_begin_and_be_spaced_otherwise(self) -> None:
        late = Trial(0, {}, "any", 1, State.RUNNING, reports=[(5, 1.0), (50, 1.0)])
        assert all(self.decisions(late, crowd()))

    def test_a_step_that_is_reported_again_counts_once_with_its_last_value(self) -> None:
        again = Trial(0, {}, "any", 2, State.RUNNING, reports=[(1, -1e6), (1, 1.0)])
        assert self.make().goes_on(again, crowd())

    def test_the_same_knowledge_gives_the_same_answer(self) -> None:
        trial, stopper = reporting(0, *[-1e6] * STEPS), self.make()
        first = [stopper.goes_on(trial, crowd()) for _ in range(3)]
        assert first == [self.make().goes_on(trial, crowd())] * 3

    def test_trials_are_left_as_they_are(self) -> None:
        trial, others = reporting(0, *[-1.0] * STEPS), crowd()
        before = copy.deepcopy([trial, *others])
        self.make().goes_on(trial, others)
        assert [trial, *others] == before
