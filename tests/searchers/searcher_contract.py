"""What every searcher promises; a searcher's test class inherits it and says how to make one."""

from abc import ABC, abstractmethod

import ConfigSpace as cs
import pytest

from dh_project import HpProblem
from dh_project.searchers.base import TOO_NEAR, Searcher
from dh_project.trial import State, Trial


@pytest.fixture
def mixed_problem() -> HpProblem:
    problem = HpProblem()
    problem.add_dim("x", (0.0, 10.0))
    problem.add_dim("lr", (1e-4, 1.0, "log-uniform"))
    problem.add_dim("units", (1, 100))
    problem.add_dim("activation", ["identity", "relu", "tanh"])
    problem.add_dim("neighbours", [8, 12, 16])
    return problem


def done(number: int, point: dict) -> Trial:
    return Trial(
        number, point, "random", 1, State.DONE, -abs(point["x"] - 3.0) - abs(point["units"] - 50) / 100
    )


class SearcherContract(ABC):
    @abstractmethod
    def make(self, problem: HpProblem, seed: int) -> Searcher:
        """Return the searcher under test."""

    def history(self, problem: HpProblem, count: int) -> list[Trial]:
        return [done(number, problem.sample(number)) for number in range(count)]

    @pytest.mark.parametrize("count", [0, 30])
    def test_equal_knowledge_gives_equal_proposals(self, mixed_problem, count):
        ended = self.history(mixed_problem, count)
        one, other = self.make(mixed_problem, 1), self.make(mixed_problem, 1)
        one.propose(3, ended, [])  # what was asked before leaves no trace
        assert one.propose(5, ended, []) == other.propose(5, ended, [])

    @pytest.mark.parametrize("count", [0, 30])
    def test_seeds_and_numbers_differ(self, mixed_problem, count):
        ended = self.history(mixed_problem, count)
        proposals = [self.make(mixed_problem, seed).propose(n, ended, []) for seed in (1, 2) for n in (0, 1)]
        assert len({str(point) for point in proposals}) == 4

    @pytest.mark.parametrize("count", [0, 30])
    def test_proposals_lie_in_the_space_in_plain_types(self, mixed_problem, count):
        point = self.make(mixed_problem, 1).propose(0, self.history(mixed_problem, count), [])
        assert mixed_problem.checked(point) == point
        assert [type(point[name]) for name in ("x", "units", "activation", "neighbours")] == [
            float,
            int,
            str,
            int,
        ]

    @pytest.mark.parametrize("count", [0, 30])
    def test_no_proposal_is_near_a_pending_one(self, mixed_problem, count):
        searcher, ended = self.make(mixed_problem, 1), self.history(mixed_problem, count)
        pending: list[Trial] = []
        for number in range(16):
            point = searcher.propose(number, ended, pending)
            assert searcher._distance(point, [mixed_problem.vector(t.point) for t in pending]) >= TOO_NEAR
            pending.append(Trial(number, point, searcher.name))

    @pytest.mark.parametrize("high", [60, 1000])
    def test_no_two_pending_points_are_equal_in_a_space_of_whole_numbers(self, high):
        problem = HpProblem()
        problem.add_dim("x", (0, high))
        problem.add_dim("choice", ["a", "b", "c"])
        searcher = self.make(problem, 1)
        points = [problem.sample(number) for number in range(30)]
        ended = [Trial(n, p, "any", 1, State.DONE, -abs(p["x"] - 31.0)) for n, p in enumerate(points)]
        pending: list[Trial] = []
        for number in range(12):
            pending.append(Trial(number, searcher.propose(number, ended, pending), searcher.name))
        assert len({str(trial.point) for trial in pending}) == 12

    def test_a_space_that_is_used_up_still_gives_points(self):
        problem = HpProblem()
        problem.add_dim("choice", ["a", "b"])
        searcher = self.make(problem, 1)
        pending = [Trial(n, {"choice": choice}, "any", 1, State.RUNNING) for n, choice in enumerate("ab")]
        assert searcher.propose(2, [], pending)["choice"] in ("a", "b")

    @pytest.mark.parametrize("successes", [0, 1, 15])
    def test_failures_are_taken(self, mixed_problem, successes):
        ended = self.history(mixed_problem, successes)
        ended += [Trial(n, mixed_problem.sample(n), "any", 1, State.FAILED) for n in range(100, 130)]
        point = self.make(mixed_problem, 1).propose(0, ended, [])
        assert mixed_problem.check_configuration(point)

    def test_inactive_hyperparameters_are_left_out(self):
        problem = HpProblem()
        problem.add_dim("activation", ["relu", "tanh"])
        problem.add_dim("x", (0.0, 10.0))
        problem.add_dim("units", (1, 100))
        slope = problem.add_hyperparameter((0.0, 1.0), "slope")
        problem.add_condition(cs.EqualsCondition(slope, problem.space["activation"], "relu"))
        searcher = self.make(problem, 1)
        ended = self.history(problem, 15)
        points = [searcher.propose(number, ended, []) for number in range(8)]
        assert all(("slope" in point) == (point["activation"] == "relu") for point in points)
