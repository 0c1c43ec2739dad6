import threading

import pytest
from scripted_evaluator import Clock

from dh_project import HpProblem
from dh_project.hps.proposals import MOST_AHEAD, MOST_AT_ONCE, Proposals
from dh_project.hps.searchers.base import TOO_NEAR
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.results.history import History
from dh_project.trial.trial import STAND_IN, State, Trial


class Learning(RandomSearcher):
    """A random searcher with ``learns`` set, which keeps the arguments of its calls."""

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
    assert proposal.origin == STAND_IN
    assert problem.check_configuration(proposal.point)


def test_the_same_number_and_seed_give_the_same_random_point(problem):
    one, other = (Proposals(RandomSearcher(problem, 1), num_workers=3) for _ in range(2))
    one.tend(0, 3, history())
    other.tend(0, 1, history())
    assert made(one)[0] == made(other)[0]


# ---- arguments of the searcher


class Told(Learning):
    """Keeps the trials themselves that it was told."""

    def propose(self, number, count, ended, pending):
        self.ended, self.pending = list(ended), list(pending)
        return super().propose(number, count, ended, pending)


def told(problem, history):
    """Return a searcher that was asked for one proposal."""
    searcher = Told(problem, 1)
    proposals = Proposals(searcher, num_workers=1)
    proposals.tend(5, 1, history)
    assert made(proposals)
    return searcher


def test_trials_of_other_searches_are_told_before_those_that_ended_here(problem):
    known = [Trial(-1, {"x": 0.3}, "warm start", state=State.DONE, objective=7.0)]
    here = history(ended=2)
    here.known = known
    assert told(problem, here).ended == [*known, *here.ended]


def test_trials_of_other_searches_are_told_on_the_scale_of_this_one(problem):
    here = history(ended=9)
    here.known = [
        Trial(-1 - n, t.point, "warm start", state=State.DONE, objective=100.0 * n)
        for n, t in enumerate(here.ended)
    ]
    ended = told(problem, here).ended
    assert [trial.objective for trial in ended] == pytest.approx([*range(9), *range(9)], abs=1e-6)


def test_trials_that_run_and_trials_that_wait_are_pending(problem):
    here = history(ended=1, running=2)
    waiting = Trial(9, {"x": 0.9}, "any", 1, State.PAUSED)
    here.paused[9] = waiting
    assert told(problem, here).pending == [*here.running.values(), waiting]


def test_a_point_that_waits_to_go_on_is_not_proposed_again(problem):
    x = RandomSearcher(problem, 1).propose(5, 1, [], [])[0]["x"]
    here = history()
    here.paused[9] = Trial(9, {"x": x}, "any", 1, State.PAUSED)
    proposals = Proposals(RandomSearcher(problem, 1), num_workers=1)
    proposals.tend(5, 1, here)
    (proposal,) = made(proposals)
    assert abs(proposal.point["x"] - x) >= TOO_NEAR


# ---- a searcher that fails


def test_a_searcher_that_fails_for_ever_gives_another_point_each_time(problem):
    proposals, points = Proposals(Broken(problem, 1), num_workers=1), []
    for number in range(6):
        proposals.tend(number, 1, history(ended=number))
        points += [proposal.point["x"] for proposal in made(proposals)]
    assert len(set(points)) == 6


def test_the_points_that_stand_in_are_those_of_random_search_with_the_same_seed(problem):
    proposals = Proposals(Broken(problem, 3), num_workers=1)
    proposals.tend(4, 2, history())
    assert [proposal.point for proposal in made(proposals)][:2] == RandomSearcher(problem, 3).propose(
        4, 2, [], []
    )


def test_no_point_that_stands_in_is_near_to_one_that_runs(problem):
    x = RandomSearcher(problem, 1).propose(5, 1, [], [])[0]["x"]
    here = History(running={0: Trial(0, {"x": x}, "any", 1, State.RUNNING)})
    proposals = Proposals(Broken(problem, 1), num_workers=1)
    proposals.tend(5, 1, here)
    (proposal,) = made(proposals)
    assert abs(proposal.point["x"] - x) >= TOO_NEAR


# ---- how many are made, and when


@pytest.mark.parametrize(("searcher", "workers"), [(RandomSearcher, 4), (Learning, 1)])
def test_there_is_no_stock_for_random_search_or_one_worker(problem, searcher, workers):
    proposals = Proposals(searcher(problem, 1), num_workers=workers)
    proposals.tend(0, 0, history(ended=3))
    assert made(proposals) == []


def test_so_many_free_slots_at_once_are_served_in_parts(problem):
    searcher = Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=1000)
    proposals.tend(0, 1000, history())
    assert len(made(proposals, 1000)) == MOST_AT_ONCE


def test_the_stock_grows_to_what_is_taken_while_it_is_made(problem):
    clock, searcher = Clock(), Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=64, clock=clock)
    proposals._took = 1.0  # making them takes a second
    proposals.tend(0, 64, history())
    assert len(made(proposals, 64)) == 64
    proposals._took = 1.0
    clock.now += 100.0
    proposals.tend(64, 0, history(ended=1, running=63))
    proposals.wait(10)
    assert searcher.calls[-1][1] == MOST_AHEAD  # 64 in 100 s are 9.6 in the 10 s from one making to the next
    assert len(made(proposals, 1)) == 1
    proposals._took = 1.0
    clock.now += 100.0
    proposals.tend(65, 0, history(ended=2, running=63))
    proposals.wait(10)
    assert searcher.calls[-1][1] == 1  # one was taken since


def test_what_is_ready_is_not_made_anew_before_the_making_has_had_its_rest(problem):
    clock, searcher = Clock(), Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=2, clock=clock)
    proposals.tend(2, 0, history(running=2))
    proposals.wait(10)
    proposals._collect()
    proposals._took = 1.0
    for clock.now in (5.0, 9.9):
        proposals.tend(3, 0, history(ended=1, running=2))
        proposals.wait(10)
    assert len(searcher.calls) == 1
    clock.now = 10.0
    proposals.tend(3, 0, history(ended=1, running=2))
    proposals.wait(10)
    assert len(searcher.calls) == 2


def test_what_is_ready_is_not_made_anew_while_no_result_has_come(problem):
    clock, searcher = Clock(), Learning(problem, 1)
    proposals = Proposals(searcher, num_workers=2, clock=clock)
    for _ in range(3):
        proposals.tend(2, 0, history(ended=3, running=2))
        proposals.wait(10)
        clock.now += 100
    assert len(searcher.calls) == 1


def test_points_are_taken_in_the_order_in_which_they_were_proposed(problem):
    proposals = Proposals(RandomSearcher(problem, 1), num_workers=3)
    proposals.tend(7, 3, history())
    assert [each.point for each in made(proposals)] == RandomSearcher(problem, 1).propose(7, 3, [], [])
    assert {each.origin for each in made(proposals)} <= {"random"}


def test_while_points_are_made_no_others_are_begun(problem):
    may_end = threading.Event()

    class Slow(Learning):
        def propose(self, number, count, ended, pending):
            may_end.wait(10)
            return super().propose(number, count, ended, pending)

    searcher = Slow(problem, 1)
    proposals = Proposals(searcher, num_workers=2)
    for ended in range(3):
        proposals.tend(2 + ended, 1, history(ended=ended, running=1))
    may_end.set()
    assert len(made(proposals)) == 2
    assert [number for number, *_ in searcher.calls] == [2]
