import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dh_project.common.errors import UserError
from dh_project.hps.stoppers import create_stopper
from dh_project.hps.stoppers.asha import AshaStopper
from dh_project.hps.stoppers.base import Move, Stopper
from dh_project.testing.stopper import StopperContract, play, show, tell
from dh_project.trial.trial import State, Trial


class TestAshaStopper(StopperContract):
    def make(self):
        return AshaStopper()


class TestAshaStopperOfThree(StopperContract):
    def make(self):
        return AshaStopper(eta=3, first_step=2, last_step=8)


class TestAshaStopperThatStops(StopperContract):
    def make(self):
        return AshaStopper(stop=True)


class Naive(Stopper):
    """Successive halving as in the text: every move is computed from all trials anew."""

    name, parks = "naive", True

    def __init__(self, eta, first, last, share):
        self.eta, self.first, self.last, self.share = eta, first, last, share
        self.trials = {}

    def goes_on(self, trial):
        return True

    def started(self, trial):
        self.trials[trial.id] = trial

    def rung_steps(self):
        steps, step = [], self.first
        while step <= self.longest() and (self.last is None or step < self.last):
            steps.append(step)
            step *= self.eta
        return steps

    def longest(self):
        return max((reached(trial) for trial in self.trials.values()), default=0)

    def until(self, step):
        following = step * self.eta if step else self.first
        return following if self.last is None or following < self.last else None

    def next_move(self, room):
        ladder = [(step, self.ranked(step)) for step in reversed(self.rung_steps())]
        for step, ranked in ladder:
            for trial in ranked[: len(ranked) // self.eta]:
                if self.is_parked_at(trial, step):
                    return Move(trial=trial.id, until=self.until(step))
        if room:
            return Move(until=self.until(0))
        if self.is_enough():
            return None
        for step, ranked in ladder:
            for trial in ranked:
                if self.is_parked_at(trial, step):
                    return Move(trial=trial.id, until=self.until(step))
        return None

    def ranked(self, step):
        there = [t for t in self.trials.values() if reached(t) >= step and t.state is not State.FAILED]
        return sorted(there, key=lambda trial: (-best_up_to(trial, step), trial.id))

    def is_parked_at(self, trial, step):
        return trial.state is State.PARKED and step <= reached(trial) < (self.until(step) or math.inf)

    def is_enough(self):
        trials, longest = self.trials.values(), self.longest()
        planned = [
            max(reached(trial), trial.until or longest) if trial.state is State.RUNNING else reached(trial)
            for trial in trials
        ]
        has_whole = any(trial.state in (State.DONE, State.RUNNING) for trial in trials)
        return has_whole and sum(planned) >= self.share * len(trials) * longest


def reached(trial):
    return max((step for step, _ in trial.reports), default=0)


def best_up_to(trial, rung):
    """Return the best objective up to the first report at a rung or later."""
    end = min(step for step, _ in trial.reports if step >= rung)
    return max(value for step, value in trial.reports if step <= end)


class Compared(Stopper):
    """Asha, whose moves are compared with the naive ones."""

    name, parks = "compared", True

    def __init__(self, asha, naive):
        self.asha, self.naive = asha, naive

    def goes_on(self, trial):
        return self.asha.goes_on(trial)

    def started(self, trial):
        self.asha.started(trial)
        self.naive.started(trial)

    def ended(self, trial):
        self.asha.ended(trial)

    def next_move(self, room):
        move = self.asha.next_move(room)
        assert move == self.naive.next_move(room)
        return move


CURVES = st.lists(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=20), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(
    CURVES,
    st.integers(2, 4),
    st.integers(1, 3),
    st.sampled_from([None, 3, 8]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.integers(1, 5),
    st.integers(1, 5),
    st.booleans(),
    st.sets(st.integers(0, 30)),
)
def test_the_moves_are_those_of_the_definition(
    curves, eta, first, last, share, workers, every, resumes, failing
):
    compared = Compared(AshaStopper(eta, first, last, share=share), Naive(eta, first, last, share))
    play(compared, curves, workers, every, resumes, failing)


@pytest.mark.parametrize("change", [lambda value: value - 1000, lambda value: value + 1000, math.exp])
def test_only_the_order_of_objectives_counts(change):
    curves = [[math.sin(7 * number + step) for step in range(1, 20)] for number in range(30)]
    changed = [[change(value) for value in curve] for curve in curves]
    assert play(AshaStopper(), curves).moves == play(AshaStopper(), changed).moves


def falling(trials, steps):
    """Return curves of trials of which each is worse than the one before."""
    return [[-float(number)] * steps for number in range(trials)]


def steps_of(played):
    return [trial.step for trial in played.trials]


def test_half_of_each_rung_is_promoted():
    assert steps_of(play(AshaStopper(share=0), falling(8, 8))) == [8, 4, 2, 2, 1, 1, 1, 1]


def test_a_share_of_one_trains_all_trials_to_their_ends():
    assert steps_of(play(AshaStopper(share=1), falling(8, 8))) == [8] * 8


def test_a_search_trains_for_its_share_of_the_steps():
    stopper = AshaStopper(share=0.5)
    played = play(stopper, falling(20, 32))
    assert 320 <= len(played.reports) < 320 + 16
    assert stopper.why_enough() == (
        f"asha trained for {len(played.reports)} of the 640 steps of an unstopped search (share=0.5)"
    )


def test_one_trial_always_runs_to_its_end():
    played = play(AshaStopper(share=0), [[0.0] * 100])
    assert played.trials[0].state is State.DONE


def test_a_trial_that_failed_leaves_its_place_to_another():
    curves = [[4.0] * 2, [3.0] * 8, [2.0] * 8, [1.0] * 8, [0.0] * 8]
    played = play(AshaStopper(share=0), curves, workers=4, failing=[0])
    assert played.trials[0].state is State.FAILED
    assert steps_of(played) == [2, 8, 2, 1, 1]


def test_trials_that_end_before_a_rung_are_not_waited_for():
    played = play(AshaStopper(share=0), [[9.0], [8.0], [1.0] * 8, [2.0] * 8], workers=2)
    assert [trial.state for trial in played.trials[:2]] == [State.DONE, State.DONE]


def test_trials_that_report_every_fifth_step_climb_one_rung_at_a_time():
    played = play(AshaStopper(share=0), falling(8, 40), every=5)
    assert steps_of(played) == [40, 20, 10, 10, 5, 5, 5, 5]


def test_a_trial_parked_below_the_first_rung_is_resumed_first():
    stopper, trial = AshaStopper(first_step=4), Trial(0, {}, "any", 1, State.RUNNING)
    tell(stopper, trial, 2, 0.0)
    trial.state = State.PARKED
    stopper.ended(trial)
    assert stopper.next_move(room=True) == Move(trial=0, until=4)


def test_no_trial_parks_from_the_last_step_on():
    played = play(AshaStopper(last_step=4), falling(8, 8))
    assert {move.until for move in played.moves} == {1, 2, None}


def test_repeated_steps_of_a_trial_do_not_count_as_training():
    curves = falling(20, 32)
    once, again = play(AshaStopper(), curves), play(AshaStopper(), curves, resumes=False)
    assert once.moves == again.moves
    assert len(once.reports) < len(again.reports)


def test_the_classic_form_stops_all_but_the_best_share():
    stopper = AshaStopper(eta=2, stop=True)
    for number in range(4):
        show(stopper, number, [float(number)] * 3)
    assert show(stopper, 4, [2.0] * 3) == [True] * 3
    assert show(stopper, 5, [1.0] * 3) == [False]


def test_the_classic_form_decides_at_rungs_only():
    stopper = AshaStopper(eta=2, first_step=2, stop=True)
    show(stopper, 0, [5.0] * 8)
    assert show(stopper, 1, [-1.0, 6.0, -1.0, -1.0]) == [True, True, True, True]


@pytest.mark.slow
def test_a_move_among_a_hundred_thousand_parked_trials_takes_no_time():
    stopper = AshaStopper(share=1)
    for number in range(100_000):
        trial = Trial(number, {}, "any", 1, State.RUNNING, until=1)
        stopper.started(trial)
        tell(stopper, trial, 1, math.sin(number))
        trial.state = State.PARKED
        stopper.ended(trial)
    began = time.process_time()
    for number in range(1000):
        stopper.next_move(number % 2 == 0)
    assert (time.process_time() - began) / 1000 < 0.001


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"eta": 1}, "eta=1: give at least 2"),
        ({"eta": 2.5}, "give a whole number"),
        ({"first_step": 0}, "at least 1"),
        ({"first_step": 4, "last_step": 3}, "not below"),
        ({"last_step": 2.5}, "give a whole number"),
        ({"share": 1.5}, "from 0 to 1"),
        ({"stop": 3}, "give true or false"),
        ({"eta": True}, "give a number"),
    ],
)
def test_a_wrong_setting_of_asha_is_one_line(given, said):
    with pytest.raises(UserError, match=said):
        create_stopper("asha", given)


@pytest.mark.parametrize("stop", [True, 1])
def test_the_classic_form_is_a_setting(stop):
    assert not create_stopper("asha", {"stop": stop}).parks
