"""Tests of the contract of searchers (:mod:`dh_project.hps.searchers.base`), for your own searcher to inherit.

Use it in a test file of pytest::

    from dh_project.testing.searcher import SearcherContract

    class TestMySearcher(SearcherContract):
        def make(self, problem, seed):
            return MySearcher(problem, seed)

pytest then runs each test below on your searcher. To see the values in failed assertions, add
``pytest.register_assert_rewrite("dh_project.testing.searcher")`` to your ``conftest.py``. ``history`` and ``running``
make trials for tests of your own; ``near_pairs`` counts points that are too near each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import ConfigSpace as cs
import numpy as np
import pytest

from dh_project.hps.searchers.base import TOO_NEAR, Searcher
from dh_project.problem import HpProblem
from dh_project.trial.trial import Point, State, Trial


def mixed_problem() -> HpProblem:
    """Return a space with a hyperparameter of each common kind."""
    problem = HpProblem()
    problem.add_dim("x", (0.0, 10.0))
    problem.add_dim("lr", (1e-4, 1.0, "log-uniform"))
    problem.add_dim("units", (1, 100))
    problem.add_dim("activation", ["identity", "relu", "tanh"])
    problem.add_dim("neighbours", [8, 12, 16])
    return problem


def conditional_problem() -> HpProblem:
    """Return a space with a condition (``slope`` needs ``activation`` relu) and a forbidden pair of values."""
    problem = HpProblem()
    problem.add_dim("activation", ["relu", "tanh"])
    problem.add_dim("x", (0.0, 10.0))
    problem.add_dim("units", (1, 100))
    problem.add_dim("depth", [1, 2, 3])
    slope = problem.add_hyperparameter((0.0, 1.0), "slope")
    problem.add_condition(cs.EqualsCondition(slope, problem.space["activation"], "relu"))
    problem.add_forbidden_clause(
        cs.ForbiddenAndConjunction(
            cs.ForbiddenEqualsClause(problem.space["activation"], "tanh"),
            cs.ForbiddenEqualsClause(problem.space["depth"], 3),
        )
    )
    return problem


def done(number: int, point: Point) -> Trial:
    """Return a finished trial; its objective is largest at x = 3, units = 50."""
    objective = -abs(point["x"] - 3.0) - abs(point["units"] - 50) / 100
    return Trial(number, point, "random", 1, State.DONE, objective)


def history(problem: HpProblem, count: int) -> list[Trial]:
    """Return ``count`` finished trials of random points."""
    return [done(number, problem.sample(number)) for number in range(count)]


def running(points: Sequence[Point]) -> list[Trial]:
    """Return running trials, one for each point."""
    return [Trial(1000 + n, point, "random", 1, State.RUNNING) for n, point in enumerate(points)]


def near_pairs(problem: HpProblem, points: Sequence[Point]) -> int:
    """Return the number of pairs of near points: all choices are equal, and all numbers within 1 % of the range."""
    rows = np.nan_to_num(np.array([problem.vector(point) for point in points]), nan=-1.0)
    gaps = np.abs(rows[:, None] - rows[None]).max(axis=2)
    return int((np.triu(gaps < TOO_NEAR, k=1)).sum())


FEW_AND_MANY = pytest.mark.parametrize("ends", [0, 30])
"""Number of ended trials: none, and enough for a model."""

COUNTS = pytest.mark.parametrize("count", [1, 2, 40])


class SearcherContract(ABC):
    """Base class of tests. Name your class ``Test...`` and implement :meth:`make`."""

    @abstractmethod
    def make(self, problem: HpProblem, seed: int) -> Searcher:
        """Return the searcher under test."""

    @FEW_AND_MANY
    @COUNTS
    def test_equal_knowledge_gives_equal_proposals(self, ends: int, count: int) -> None:
        """Earlier calls and other searchers have no influence."""
        problem = mixed_problem()
        ended, pending = history(problem, ends), running([problem.sample(100)])
        one, other = self.make(problem, 1), self.make(mixed_problem(), 1)
        one.propose(3, 2, ended[:20], [])
        np.random.seed(0)
        assert one.propose(5, count, ended, pending) == other.propose(5, count, ended, pending)

    @FEW_AND_MANY
    def test_a_thread_gets_the_same_proposals(self, ends: int) -> None:
        """The search calls the searcher from another thread."""
        problem = mixed_problem()
        searcher, ended = self.make(problem, 1), history(problem, ends)
        with ThreadPoolExecutor(1) as thread:
            proposals = thread.submit(searcher.propose, 5, 3, ended, []).result()
        assert proposals == searcher.propose(5, 3, ended, [])

    @FEW_AND_MANY
    def test_seeds_and_numbers_differ(self, ends: int) -> None:
        """Different seeds or numbers give different proposals."""
        problem = mixed_problem()
        ended = history(problem, ends)
        proposals = [self.make(problem, seed).propose(n, 1, ended, []) for seed in (1, 2) for n in (0, 1)]
        assert len({str(points) for points in proposals}) == 4

    @FEW_AND_MANY
    @COUNTS
    def test_the_number_of_points_is_as_requested(self, ends: int, count: int) -> None:
        """There are exactly ``count`` points of the space, in its order and with Python's own types."""
        problem = mixed_problem()
        points = self.make(problem, 1).propose(0, count, history(problem, ends), [])
        assert len(points) == count
        for point in points:
            assert list(problem.checked(point).items()) == list(point.items())
            kinds = [type(point[name]) for name in ("x", "units", "activation", "neighbours")]
            assert kinds == [float, int, str, int]

    @FEW_AND_MANY
    def test_no_proposal_is_near_another_or_a_pending_one(self, ends: int) -> None:
        """This holds within a call and between calls."""
        problem = mixed_problem()
        searcher, ended = self.make(problem, 1), history(problem, ends)
        points: list[Point] = []
        for count in (1, 1, 1, 8, 40):
            points += searcher.propose(len(points), count, ended, running(points))
        assert near_pairs(problem, points) == 0

    @pytest.mark.parametrize("high", [60, 1000])
    def test_no_two_are_equal_in_a_space_of_whole_numbers(self, high: int) -> None:
        """Neighbouring numbers are nearer than 1 % of the range, or farther."""
        problem = HpProblem()
        problem.add_dim("x", (0, high))
        problem.add_dim("choice", ["a", "b", "c"])
        drawn = [problem.sample(number) for number in range(30)]
        ended = [Trial(n, p, "any", 1, State.DONE, -abs(p["x"] - 31.0)) for n, p in enumerate(drawn)]
        searcher, points = self.make(problem, 1), list[Point]()
        for count in (1, 1, 1, 1, 8):
            points += searcher.propose(len(points), count, ended, running(points))
        assert len({str(point) for point in points}) == 12

    @pytest.mark.parametrize("count", [1, 5])
    def test_an_exhausted_space_still_gives_points(self, count: int) -> None:
        """If there are no other points, they may be equal to earlier ones."""
        problem = HpProblem()
        problem.add_dim("choice", ["a", "b"])
        points = self.make(problem, 1).propose(2, count, [], running([{"choice": "a"}, {"choice": "b"}]))
        assert [point["choice"] in ("a", "b") for point in points] == [True] * count

    def test_a_space_of_one_point_gives_it(self) -> None:
        """The point is repeated as often as requested."""
        problem = HpProblem()
        problem.add_dim("constant", 7)
        ended = [Trial(n, {"constant": 7}, "any", 1, State.DONE, 1.0) for n in range(12)]
        assert self.make(problem, 1).propose(0, 2, ended, []) == [{"constant": 7}] * 2

    @pytest.mark.parametrize("successes", [0, 1, 15])
    def test_failures_are_taken(self, successes: int) -> None:
        """The search continues if most or all trials failed."""
        problem = mixed_problem()
        ended = history(problem, successes)
        states = (State.FAILED, State.TIMEOUT, State.MEMORY)
        ended += [Trial(n, problem.sample(n), "any", 1, states[n % 3]) for n in range(100, 130)]
        assert all(map(problem.check_configuration, self.make(problem, 1).propose(0, 2, ended, [])))

    def test_equal_objectives_are_taken(self) -> None:
        """A plateau has no best point and no spread of objectives."""
        problem = mixed_problem()
        ended = [Trial(n, problem.sample(n), "any", 1, State.DONE, 0.5) for n in range(15)]
        assert len(self.make(problem, 1).propose(0, 2, ended, [])) == 2

    @pytest.mark.parametrize("size", [1e-300, 1e300])
    def test_objectives_of_any_size_are_taken(self, size: float) -> None:
        """Very small and very large objectives cause no error."""
        problem = mixed_problem()
        ended = history(problem, 15)
        for trial in ended:
            trial.objective = size * (trial.objective or 0.0)
        assert len(self.make(problem, 1).propose(0, 2, ended, [])) == 2

    def test_trials_of_an_earlier_search_are_taken(self) -> None:
        """A warm start has negative ids, and points from another searcher."""
        problem = mixed_problem()
        ended = [done(-1 - n, problem.sample(500 + n)) for n in range(20)]
        ended += [done(0, problem.default_configuration), done(1, problem.default_configuration)]
        assert all(map(problem.check_configuration, self.make(problem, 1).propose(0, 2, ended, [])))

    def test_conditions_and_forbidden_pairs_are_kept(self) -> None:
        """Inactive hyperparameters are left out, and forbidden points are not proposed."""
        problem = conditional_problem()
        points = self.make(problem, 1).propose(0, 20, history(problem, 15), [])
        assert all(map(problem.check_configuration, points))
        assert all(("slope" in point) == (point["activation"] == "relu") for point in points)

    @FEW_AND_MANY
    def test_arguments_are_not_changed(self, ends: int) -> None:
        """The searcher changes neither the trials, their order, nor the problem."""
        problem = mixed_problem()
        ended, pending = history(problem, ends), running([problem.sample(100)])
        before, said = deepcopy((ended, pending)), problem.to_json()
        points = self.make(problem, 1).propose(0, 2, ended, pending)
        points[0]["x"] = -1.0  # the caller may change the result
        assert (ended, pending) == before
        assert problem.to_json() == said
