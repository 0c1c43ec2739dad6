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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from dh_project.hps.stoppers.base import Move, Stopper
from dh_project.trial.trial import State, Trial

STEPS = 10
RISING = [0.1 * step for step in range(STEPS)]
CROWD = [[more - number for more in RISING] for number in range(12)]
ENOUGH = 520
"""Number of trials from which on a report must not cost more."""


class StopperContract(ABC):
    """Base class of tests. Name your class ``Test...`` and implement :meth:`make`."""

    @abstractmethod
    def make(self) -> Stopper:
        """Return the stopper under test. It must stop a hopeless trial, or leave it parked, at step 10 or earlier."""

    def flipped(self, error: float) -> float:
        """Return an error as a positive objective that is equivalent for the stopper.

        The default suits a stopper that depends on differences or on the order of objectives.
        """
        return 64.0 - error

    def crowd(self, level: float = 0.0) -> Stopper:
        """Return a stopper that has seen 12 trials with all steps, with objectives level - 1, level - 2, ..."""
        stopper = self.make()
        for number in range(1, 13):
            show(stopper, number, [level - number] * STEPS)
        return stopper

    def test_a_hopeless_trial_is_stopped(self) -> None:
        if self.make().parks:
            assert (play(self.make(), [[-1e6] * STEPS, *CROWD]).trials[0].step or 0) < STEPS
        else:
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
            said = [tell(stopper, trial, step, RISING[step - 1] - trial.id) for trial in trials]
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
        for first, last in ((-1e6, RISING), (1e6, [-1e6] * STEPS)):
            stopper, trial = self.crowd(), Trial(0, {}, "any", 1, State.RUNNING)
            for step in range(1, STEPS + 1):
                tell(stopper, trial, step, first)
            trial.attempt = 2
            said = [tell(stopper, trial, step, objective) for step, objective in enumerate(last, start=1)]
            assert all(said) if last is RISING else stopper.parks or not all(said)

    def test_a_trial_is_not_compared_with_its_own_reports_before_an_interruption(self) -> None:
        stopper, trial = self.make(), Trial(0, {}, "any", 1, State.RUNNING)
        tell(stopper, trial, 1, 1e6)
        trial.attempt = 2
        assert tell(stopper, trial, 1, 1.0)

    def test_the_same_reports_give_the_same_answers(self) -> None:
        assert show(self.crowd(), 0, [-1e6] * STEPS) == show(self.crowd(), 0, [-1e6] * STEPS)

    @pytest.mark.parametrize("workers", [1, 3])
    def test_the_same_journal_gives_the_same_moves(self, workers: int) -> None:
        played, stopper = play(self.make(), CROWD, workers), self.make()
        for name, argument, answer in played.calls:
            if name == "next_move":
                stopper.next_move(not argument)  # a question, which changes nothing
            assert getattr(stopper, name)(argument) == answer

    def test_a_thousand_trials_may_be_parked(self) -> None:
        curves = [[-float(number), 1.0 - number] for number in range(1000)]
        played = play(self.make(), curves, workers=8)
        assert all(trial.state.has_objective for trial in played.trials)

    def test_errors_and_positive_objectives_give_the_same_answers(self) -> None:
        errors = [
            [level + 8.0 * (number + 1) / (step * (number + 2)) for step in range(1, STEPS + 1)]
            for number, level in enumerate((4.0, 7.0, 1.0, 12.0, 3.0, 0.5, 9.0, 2.0, 16.0, 0.25, 5.0, 6.0))
        ]
        negative = play(self.make(), [[-error for error in curve] for curve in errors])
        positive = play(self.make(), [[self.flipped(error) for error in curve] for curve in errors])
        assert negative.moves == positive.moves
        assert [report[:2] for report in negative.reports] == [report[:2] for report in positive.reports]

    def test_a_report_costs_the_same_however_many_trials_there_are(self) -> None:
        few, many = self._operations(ENOUGH), self._operations(2 * ENOUGH)
        assert many <= 1.5 * few + 10

    def _operations(self, trials: int) -> int:
        """Return the number of operations on objectives in a report after those of so many trials."""
        stopper = self.make()
        for number in range(trials):
            show(stopper, number, [Counted(number / 1024)])
        Counted.operations = 0
        for number in range(10):
            show(stopper, trials + number, [Counted((trials * number / 10 + 0.5) / 1024)])
        return Counted.operations

    def test_trials_are_not_changed(self) -> None:
        trial = Trial(0, {}, "any", 1, State.RUNNING, reports=[(1, -1.0)])
        before = copy.deepcopy(trial)
        self.crowd().goes_on(trial)
        assert trial == before


class Counted(float):
    """A number that counts the operations on numbers of its kind."""

    operations = 0


def _counting(name: str) -> Callable[..., Any]:
    """Return a method of ``float`` that counts its calls and returns its result as :class:`Counted`."""
    method = getattr(float, name)

    def operate(self: Counted, *others: float) -> Any:
        Counted.operations += 1
        result = method(self, *others)
        return Counted(result) if type(result) is float else result

    return operate


for _name in (
    *("__lt__", "__le__", "__gt__", "__ge__", "__neg__", "__add__", "__radd__", "__sub__", "__rsub__"),
    *("__mul__", "__rmul__", "__truediv__", "__rtruediv__"),
):
    setattr(Counted, _name, _counting(_name))


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


@dataclass
class Played:
    """A search that a stopper has decided.

    Attributes:
        trials: The trials.
        moves: The moves, in their order.
        reports: Trial, step and objective of each report, in their order.
        calls: Each call of the stopper: the method, its argument, and what it returned.
    """

    trials: list[Trial] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    reports: list[tuple[int, int, float]] = field(default_factory=list)
    calls: list[tuple[str, Any, Any]] = field(default_factory=list)


def play(
    stopper: Stopper,
    curves: Sequence[Sequence[float]],
    workers: int = 1,
    every: int = 1,
    resumes: bool = True,
    failing: Collection[int] = (),
) -> Played:
    """Let a stopper decide a search, in which every step takes every worker the same time.

    Args:
        stopper: The stopper.
        curves: For each trial, its objectives from step 1 on.
        workers: Number of workers.
        every: Number of steps between two reports.
        resumes: Whether trials resume from checkpoints. If not, they report all steps again.
        failing: Ids of the trials that fail after their last step.

    Example:
        >>> from dh_project.hps.stoppers.median import MedianStopper
        >>> len(play(MedianStopper(), [[1.0, 2.0], [3.0, 4.0]]).reports)
        4
    """
    played, next_steps = Played(), dict[int, int]()  # of the running trials

    def call(name: str, argument: Any) -> Any:
        said = getattr(stopper, name)(argument)
        played.calls.append((name, copy.deepcopy(argument), said))
        return said

    while True:
        while len(next_steps) < workers:
            move = call("next_move", len(played.trials) < len(curves))
            if move is None:
                break
            if move.trial is None:
                played.trials.append(Trial(len(played.trials), {}, "any"))
            trial = played.trials[-1 if move.trial is None else move.trial]
            assert trial.state in (State.WAITING, State.PARKED), f"{move} is impossible"
            trial.state, trial.until, trial.attempt = State.RUNNING, move.until, trial.attempt + 1
            next_steps[trial.id] = every + (trial.step or 0 if resumes else 0)
            played.moves.append(move)
            call("started", trial)
        if not next_steps:
            return played
        for number, step in list(next_steps.items()):
            trial, curve, goes_on = played.trials[number], curves[number], True
            if step <= len(curve):
                trial.reports.append((step, curve[step - 1]))
                played.reports.append((number, step, curve[step - 1]))
                goes_on = call("goes_on", trial)
            next_steps[number] += every
            if step + every > len(curve):
                trial.state = State.FAILED if number in failing else State.DONE
            elif not goes_on:
                trial.state = State.STOPPED
            elif trial.until is not None and step >= trial.until:
                trial.state, trial.parked_at = State.PARKED, step
            if trial.state is not State.RUNNING:
                del next_steps[number]
                call("ended", trial)
