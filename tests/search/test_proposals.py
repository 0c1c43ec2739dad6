import pytest

from dh_project import HpProblem
from dh_project.results.history import History
from dh_project.search.proposals import Proposals
from dh_project.search.searchers.random import RandomSearcher
from dh_project.trial.trial import State, Trial


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


class Learning(RandomSearcher):
    """Random points of a searcher that says it learns, and what it was asked and told."""

    name, learns = "learning", True

    def __init__(self, problem, seed):
        super().__init__(problem, seed)
        self.calls = []

    def propose(self, number, count, ended, pending):
        self.calls.append((number, count, len(ended), len(pending)))
        return super().propose(number, count, ended, pending)


class Broken(Learning):
    def propose(self, number, count, ended, pending):
        raise RuntimeError("no model today")


@pytest.fixture
def problem():
    problem = HpProblem()
    problem.add_dim("x", (0.0, 1.0))
    return problem


def history(ended=0, running=0):
    over = [Trial(n, {"x": n / 99}, "any", 1, State.DONE, float(n)) for n in range(ended)]
    run = {n: Trial(n, {"x": n / 99}, "any", 1, State.RUNNING) for n in range(ended, ended + running)}
    return History(ended=over, running=run)


def made(proposals, most=99):
    proposals.wait(10)
    return [proposal for proposal in (proposals.take() for _ in range(most)) if proposal]


def test_one_worker_s_proposal_is_made_when_it_is_asked_for_and_knows_all(problem):
    searcher = Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=1)
    proposals.tend(0, 0, history(ended=3, running=1))
    assert searcher.calls == []
    proposals.tend(4, 1, history(ended=4))
    assert len(made(proposals)) == 1
    assert searcher.calls == [(4, 1, 4, 0)]


def test_with_several_workers_a_point_stands_ready_before_a_slot_is_free(problem):
    proposals = Proposals(Learning(problem, 1), num_workers=2)
    proposals.tend(2, 0, history(running=2))
    assert len(made(proposals)) >= 1


def test_what_is_ready_is_made_anew_when_results_arrive_though_all_slots_are_busy(problem):
    clock, searcher = Clock(), Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=2, clock=clock)
    for ended in range(4):
        proposals.tend(2 + ended, 0, history(ended=ended, running=2))
        proposals.wait(10)
        clock.now += 100
    assert [told for _, _, told, _ in searcher.calls] == [0, 1, 2, 3]
    assert searcher.calls[-1][3] == 3  # two that run, and the point at hand that may be taken meanwhile


def test_the_time_that_a_point_waits_for_a_slot_is_not_that_of_its_making(problem):
    clock, searcher = Clock(), Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=2, clock=clock)
    proposals.tend(2, 0, history(running=2))
    proposals.wait(10)
    clock.now += 1000
    assert len(made(proposals)) == 1
    proposals.tend(3, 0, history(ended=1, running=2))
    proposals.wait(10)
    assert searcher.calls[-1][1] == 1


def test_all_free_slots_get_a_point_at_once(problem):
    proposals = Proposals(Learning(problem, 1), num_workers=64)
    proposals.tend(0, 64, history())
    assert len(made(proposals, 64)) == 64


def test_no_more_is_taken_than_was_asked_for(problem):
    proposals = Proposals(RandomSearcher(problem, 1), num_workers=4)
    proposals.tend(0, 3, history())
    assert [len(made(proposals, 2)), len(made(proposals, 2))] == [2, 1]


def test_a_searcher_that_fails_is_stood_in_for_by_random_points(problem):
    proposals = Proposals(Broken(problem, 1), num_workers=1)
    proposals.tend(0, 1, history())
    (proposal,) = made(proposals)
    assert proposal.origin == "random"
    assert problem.check_configuration(proposal.point)


def test_the_same_number_and_seed_give_the_same_random_point(problem):
    one, other = (Proposals(RandomSearcher(problem, 1), num_workers=3) for _ in range(2))
    one.tend(0, 3, history())
    other.tend(0, 1, history())
    assert made(one)[0] == made(other)[0]
