from collections import Counter

import pytest

from dh_project.common.errors import UserError
from dh_project.hps.stoppers import create_stopper
from dh_project.hps.stoppers.hyperband import HyperbandStopper
from dh_project.testing.stopper import StopperContract, play, tell
from dh_project.trial.trial import State, Trial


class TestHyperbandStopper(StopperContract):
    def make(self):
        return HyperbandStopper()


def test_brackets_have_the_shares_of_hyperband():
    stopper = HyperbandStopper(eta=3, brackets=3)
    counts = Counter(stopper.bracket(trial) for trial in range(1100))  # 9/3, 3/2 and 1 of 5.5
    assert [counts[bracket] for bracket in range(3)] == pytest.approx([600, 300, 200], abs=5)


def test_new_trials_park_at_the_first_rungs_of_their_brackets():
    stopper = HyperbandStopper(eta=2, brackets=3)
    played = play(stopper, [[0.0] * 16] * 20, workers=20)
    untils = [move.until for move in played.moves if move.trial is None]
    assert untils == [2 ** stopper.bracket(trial) for trial in range(20)]
    assert set(untils) == {1, 2, 4}


def test_each_bracket_promotes_its_own_best():
    stopper = HyperbandStopper(eta=2, brackets=2, share=0)
    curves = [[10.0 * (1 - stopper.bracket(number)) - number] * 16 for number in range(24)]
    played = play(stopper, curves)
    promoted = {stopper.bracket(move.trial) for move in played.moves if move.trial is not None}
    assert promoted == {0, 1}


def test_the_highest_rung_of_all_brackets_comes_first():
    stopper = HyperbandStopper(eta=2, brackets=2)
    for number in range(24):
        trial = Trial(number, {}, "any", 1, State.RUNNING)
        stopper.started(trial)
        tell(stopper, trial, stopper.bracket(number) + 1, -float(number))
        trial.state = State.PARKED
        stopper.ended(trial)
    move = stopper.next_move(room=True)
    assert (stopper.bracket(move.trial), move.until) == (1, 4)


def test_no_bracket_begins_after_the_last_step():
    stopper = HyperbandStopper(eta=3, last_step=9, brackets=5)
    assert {stopper.bracket(trial) for trial in range(100)} == {0, 1}


def test_a_share_of_one_trains_all_brackets_to_their_ends():
    played = play(HyperbandStopper(share=1), [[-float(number)] * 20 for number in range(20)])
    assert all(trial.state is State.DONE for trial in played.trials)


def test_hyperband_has_at_least_one_bracket():
    with pytest.raises(UserError, match="brackets=0: give at least 1"):
        create_stopper("hyperband", {"brackets": 0})
