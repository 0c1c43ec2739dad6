import numpy as np
import pytest

from dh_project.hps.searchers.told import final_objectives, most_telling, warped
from dh_project.trial.trial import State, Trial


def test_few_trials_are_told_all():
    assert most_telling(np.array([1.0, np.nan, 3.0]), 3).tolist() == [0, 1, 2]


def test_of_many_the_best_half_is_told_and_others_from_the_whole_search():
    objectives = np.array([float(n == 50 or n == 51) for n in range(100)])
    assert most_telling(objectives, 4).tolist() == [0, 50, 51, 99]


def test_failures_are_among_the_others_never_among_the_best():
    objectives = np.array([np.nan] * 50 + [float(n) for n in range(50)])
    told = most_telling(objectives, 20)
    assert len(told) == 20
    assert set(told) >= set(range(90, 100))
    assert np.isnan(objectives[told]).any()


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_warped_objectives_keep_their_order_whatever_their_size(size):
    objectives = size * np.array([-1.0, 0.5, 0.2, -0.3])
    assert np.argsort(warped(objectives)).tolist() == [0, 3, 2, 1]


def test_a_failure_is_as_bad_as_the_worst_objective():
    values = warped(np.array([np.nan, -2.0, 1.0]))
    assert values[0] == values[1] < values[2]


def test_a_very_bad_objective_leaves_the_differences_of_good_ones():
    values = warped(np.array([-1e6, 1.0, 1.5, 1.8, 2.0]))
    assert np.diff(values[1:]).min() > 0.01 * np.ptp(values)


def trial(number, state, reports, objective=None):
    return Trial(number, {}, "any", 1, state, objective, reports=reports)


def test_a_parked_trial_gains_what_the_others_gained_after_its_step():
    ended = [
        trial(0, State.DONE, [(1, -3.0), (9, -1.0)], -1.0),
        trial(1, State.DONE, [(1, -4.0), (9, -1.0)], -1.0),
        trial(2, State.DONE, [(1, -5.0), (9, -1.0)], -1.0),
        trial(3, State.PARKED, [(1, -3.5)], -3.5),
    ]
    assert final_objectives(ended).tolist() == [-1.0, -1.0, -1.0, -0.5]


def test_gains_add_up_over_several_rungs():
    ended = [
        trial(0, State.DONE, [(1, -8.0), (3, -4.0), (9, -1.0)], -1.0),
        trial(1, State.PARKED, [(1, -9.0), (3, -5.0)], -5.0),
        trial(2, State.STOPPED, [(1, -9.5)], -9.5),
    ]
    assert final_objectives(ended).tolist() == [-1.0, -2.0, -2.5]


def test_before_any_trial_went_further_parked_ones_are_compared_as_they_are():
    ended = [trial(n, State.PARKED, [(1, -float(n))], -float(n)) for n in range(3)]
    assert final_objectives(ended).tolist() == [0.0, -1.0, -2.0]


def test_trials_that_ended_keep_their_objectives_and_failures_have_none():
    ended = [trial(0, State.DONE, [(1, 5.0)], 2.0), trial(1, State.FAILED, [(1, 5.0)])]
    assert np.array_equal(final_objectives(ended), [2.0, np.nan], equal_nan=True)
