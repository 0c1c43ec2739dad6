import sys

import numpy as np
import pytest

from dh_project import HpProblem
from dh_project.common.errors import UserError
from dh_project.hps.proposals import make
from dh_project.hps.searchers.ambs import AMBS, ANYWHERE, MOST_TOLD, NEARBY, PARENTS
from dh_project.hps.searchers.base import TOO_NEAR
from dh_project.hps.searchers.cube import distances
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.testing.searcher import (
    SearcherContract,
    conditional_problem,
    done,
    history,
    mixed_problem,
    running,
)
from dh_project.trial.trial import STAND_IN, State, Trial


class TestAMBS(SearcherContract):
    def make(self, problem, seed):
        return AMBS(problem, seed, AMBSSettings())


class TestAMBSWithTrees(SearcherContract):
    def make(self, problem, seed):
        return AMBS(problem, seed, AMBSSettings("ET"))


def best_after(searcher, problem, count):
    ended = []
    for number in range(count):
        ended.append(done(number, searcher.propose(number, 1, ended, [])[0]))
    return max(trial.objective for trial in ended)


def test_it_finds_more_than_random_search():
    problem, seeds = mixed_problem(), range(4)
    ambs = [best_after(AMBS(problem, seed, AMBSSettings()), problem, 30) for seed in seeds]
    random = [best_after(RandomSearcher(problem, seed), problem, 30) for seed in seeds]
    assert sum(ambs) / len(ambs) > sum(random) / len(random)


@pytest.mark.parametrize("surrogate", ["auto", "ET", "RF", "GP", "DUMMY"])
@pytest.mark.parametrize("acquisition", ["UCB", "LCB", "EI", "PI", "gp_hedge", "UCBd", "gp_hedged"])
def test_every_surrogate_and_acquisition_that_is_offered_proposes(surrogate, acquisition):
    problem = mixed_problem()
    searcher = AMBS(problem, 1, AMBSSettings.checked(surrogate, acquisition))
    assert problem.check_configuration(searcher.propose(0, 2, history(problem, 12), [])[1])


@pytest.mark.parametrize(
    ("surrogate", "acquisition", "said"),
    [
        ("RFF", "UCB", "did you mean 'RF'"),
        ("GBRT", "UCB", "no longer has it"),
        ("ET", "UBC", "did you mean 'UCB"),
    ],
)
def test_unknown_names_are_refused_with_the_near_one(surrogate, acquisition, said):
    with pytest.raises(UserError, match=said):
        AMBSSettings.checked(surrogate, acquisition)


@pytest.mark.parametrize(
    "value",
    [
        {"mu": 0.0, "sigma": 1.0, "lower": -3.0, "upper": 3.0},
        ["none", 1, 2.5],
        [True, False],
        (1, 2**40, "log-uniform"),
        (1e-12, 1e12, "log-uniform"),
        7,
    ],
)
@pytest.mark.parametrize("surrogate", ["GP", "ET"])
def test_it_models_any_kind_of_hyperparameter(value, surrogate):
    problem = HpProblem()
    problem.add_dim("x", (0.0, 10.0))
    problem.add_dim("other", value)
    points = [problem.sample(number) for number in range(12)]
    ended = [Trial(n, point, "any", 1, State.DONE, point["x"]) for n, point in enumerate(points)]
    assert all(
        map(problem.check_configuration, AMBS(problem, 1, AMBSSettings(surrogate)).propose(0, 20, ended, []))
    )


def test_no_point_is_evaluated_twice_while_there_are_others():
    problem = HpProblem()
    problem.add_dim("x", list("abcdef"))
    problem.add_dim("units", [1, 2, 3, 4])
    points = [{"x": x, "units": units} for x in "abcdef" for units in (1, 2, 3)]
    ended = [Trial(n, point, "any", 1, State.DONE, point["units"]) for n, point in enumerate(points)]
    proposed = AMBS(problem, 1, AMBSSettings()).propose(0, 6, ended, [])
    assert {(point["x"], point["units"]) for point in proposed} == {(x, 4) for x in "abcdef"}


def test_a_choice_that_always_fails_is_left():
    problem = mixed_problem()
    ended = history(problem, 40)
    for trial in ended:
        if trial.point["activation"] == "relu":
            trial.state, trial.objective = State.FAILED, None
    points = AMBS(problem, 1, AMBSSettings()).propose(9, 10, ended, [])
    assert sum(point["activation"] == "relu" for point in points) <= 2


def test_choices_on_which_others_depend_are_explored():
    problem = conditional_problem()
    points = AMBS(problem, 1, AMBSSettings()).propose(0, 30, history(problem, 30), [])
    assert {point["activation"] for point in points} == {"relu", "tanh"}


def test_a_long_search_costs_no_more_than_a_short_one():
    problem = mixed_problem()
    ended = history(problem, 300)
    for trial in ended[:150]:
        trial.objective -= 1000.0
    long, seen = AMBS(problem, 1, AMBSSettings()), []
    long.cube.vectors = lambda points, real=long.cube.vectors: seen.append(len(points)) or real(points)
    long.propose(0, 4, ended, [])
    assert max(seen) <= MOST_TOLD["GP"]


def test_each_of_ten_proposals_explores_by_another_kappa():
    problem = mixed_problem()
    searcher, ended, seen = AMBS(problem, 1, AMBSSettings("ET")), history(problem, 12), []
    real = searcher._trees._cbo_class
    searcher._trees._cbo_class = lambda *arguments, acq_func_kwargs, **more: (
        seen.append(acq_func_kwargs["kappa"]) or real(*arguments, acq_func_kwargs=acq_func_kwargs, **more)
    )
    for number in range(10):
        searcher.propose(number, 1, ended, [])
    assert len(set(seen)) == 10
    assert max(seen) == 1.96


def test_a_model_that_fails_gives_random_points_that_say_so_and_a_warning(monkeypatch, caplog):
    def fail(*arguments):
        raise ValueError("not positive definite")

    monkeypatch.setattr("dh_project.hps.searchers.ambs.GaussianProcess", fail)
    problem = mixed_problem()
    proposals = make(AMBS(problem, 1, AMBSSettings()), 3, 2, [], history(problem, 20), [])
    assert [each.point for each in proposals] == RandomSearcher(problem, 1).propose(3, 2, [], [])
    assert {each.origin for each in proposals} == {STAND_IN}
    assert "not positive definite" in caplog.text


def test_deephyper_is_imported_without_mpi4py():
    AMBS(mixed_problem(), 1, AMBSSettings("ET"))
    assert "mpi4py.MPI" not in sys.modules


def nearest(problem, points, target):
    """Return the least distance of points to a target, in shares of the ranges."""
    rows = np.array([problem.vector(point) for point in [target, *points]])
    return np.abs(rows[1:] - rows[0]).max(axis=1).min()


def test_candidates_are_drawn_around_the_best_trials():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    problem.add_dim("y", (0.0, 1.0))
    searcher = AMBS(problem, 1, AMBSSettings())
    points = [problem.sample(number) for number in range(60)]
    ended = [
        Trial(n, p, "any", 1, State.DONE, -abs(p["x"] - 0.9) - abs(p["y"] - 0.9))
        for n, p in enumerate(points)
    ]
    ended[5].objective = None
    ended[5].state = State.FAILED
    objectives = np.array([np.nan if trial.objective is None else trial.objective for trial in ended])
    drawn = searcher._drawn(3, searcher.cube.vectors(points), objectives, [])
    anywhere, nearby = drawn[:ANYWHERE], drawn[ANYWHERE:]
    assert len(nearby) > NEARBY / 2
    best = sorted((t for t in ended if t.objective is not None), key=lambda trial: -trial.objective)[:PARENTS]
    to_best = distances(nearby, searcher.cube.vectors([trial.point for trial in best]))
    assert (
        np.median(to_best)
        < 0.05
        < np.median(distances(anywhere, searcher.cube.vectors([t.point for t in best])))
    )


def test_candidates_are_neither_near_to_a_pending_point_nor_one_that_is_known():
    problem = HpProblem()
    problem.add_dim("choice", list("abcdefgh"))
    problem.add_dim("order", [1, 2, 3, 4])
    searcher, points = AMBS(problem, 1, AMBSSettings()), [problem.sample(number) for number in range(9)]
    ended, pending = points[:6], running(points[6:])
    rows = searcher.cube.vectors(ended)
    drawn = searcher._drawn(0, rows, np.arange(6.0), pending)
    assert distances(drawn, rows).min() >= TOO_NEAR
    assert distances(drawn, searcher.cube.vectors(points[6:])).min() >= TOO_NEAR


def test_a_warm_start_takes_the_place_of_random_points():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    problem.add_dim("y", (0.0, 1.0))
    points = [problem.sample(number) for number in range(40)]
    known = [
        Trial(
            -1 - n, p, "warm start", state=State.DONE, objective=-((p["x"] - 0.2) ** 2) - (p["y"] - 0.7) ** 2
        )
        for n, p in enumerate(points)
    ]
    proposed = AMBS(problem, 1, AMBSSettings()).propose(9, 3, known, [])
    assert nearest(problem, proposed, {"x": 0.2, "y": 0.7}) < 0.05


def test_points_are_random_until_there_are_enough_trials_for_a_model():
    problem = mixed_problem()
    searcher, random = AMBS(problem, 1, AMBSSettings(n_initial_points=10)), RandomSearcher(problem, 1)
    nine, ten = history(problem, 9), history(problem, 10)
    assert searcher.propose(3, 2, nine, []) == random.propose(3, 2, [], [])
    assert searcher.propose(3, 2, ten, []) != random.propose(3, 2, [], [])


def test_points_are_random_while_all_trials_fail():
    problem = mixed_problem()
    ended = [Trial(n, problem.sample(n), "any", 1, State.FAILED) for n in range(30)]
    assert AMBS(problem, 1, AMBSSettings()).propose(3, 2, ended, []) == RandomSearcher(problem, 1).propose(
        3, 2, [], []
    )


def test_a_lucky_trial_is_not_recommended():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    random = np.random.default_rng(1)
    ended = [
        Trial(n, {"x": x}, "any", 1, State.DONE, -((x - 0.7) ** 2) + 0.05 * random.normal())
        for n, x in enumerate(np.linspace(0, 1, 60))
    ]
    ended[12].objective = 0.15  # the best of all, at x = 0.2
    assert 0.55 < AMBS(problem, 1, AMBSSettings()).recommended(ended).point["x"] < 0.85


def test_a_parked_trial_is_recommended_only_if_no_other_has_an_objective():
    problem = mixed_problem()
    ended = history(problem, 20)
    best = max(ended, key=lambda trial: trial.objective)
    best.state, best.reports = State.PARKED, [(1, best.objective)]
    searcher = AMBS(problem, 1, AMBSSettings())
    assert searcher.recommended(ended).state == State.DONE
    assert searcher.recommended([best]) is best


def test_nothing_is_recommended_while_no_trial_has_an_objective():
    problem = mixed_problem()
    failed = [Trial(n, problem.sample(n), "any", 1, State.FAILED) for n in range(20)]
    assert AMBS(problem, 1, AMBSSettings()).recommended(failed) is None


def test_the_objective_of_a_low_step_does_not_draw_proposals_away():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    problem.add_dim("y", (0.0, 1.0))

    def objective(point):
        return -((point["x"] - 0.8) ** 2) - (point["y"] - 0.8) ** 2

    points = [problem.sample(number) for number in range(60)]
    ended = [
        Trial(n, p, "any", 1, State.DONE, objective(p), reports=[(1, objective(p) - 5.0), (9, objective(p))])
        for n, p in enumerate(points)
    ]
    near = sorted(ended, key=lambda trial: -trial.objective)[:20]
    for trial in near:  # parked early: their objectives look bad beside those of the last step
        trial.state, trial.objective = State.PARKED, trial.objective - 5.0
        del trial.reports[1:]
    proposed = AMBS(problem, 1, AMBSSettings()).propose(9, 3, ended, [])
    assert nearest(problem, proposed, {"x": 0.8, "y": 0.8}) < 0.1


def test_a_batch_is_not_crowded_around_one_point():
    problem = mixed_problem()
    points = AMBS(problem, 1, AMBSSettings()).propose(0, 16, history(problem, 40), [])
    rows = np.array([problem.vector(point) for point in points])
    assert np.ptp(rows[:, 0]) > 0.05
