"""Trials of several processes."""

import sys
from pathlib import Path

import pytest

from dh_project.evaluators import rank_groups
from dh_project.evaluators.base import NoWorkersLeft
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.rank_groups import RankGroups
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.testing.evaluator import EvaluatorContract
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended, Reported
from dh_project.trial.trial import Cause, State

RUNS = """
import os, signal, time
from dh_project import record, report
from dh_project.trial.ranks import meeting_place, rank, world_size

def run(point):
    record(said_by=rank(), ranks=world_size(), place=meeting_place())
    report(1, float(rank()))
    match point["last rank"] if rank() == world_size() - 1 else "returns":
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fails":
            raise ValueError("no luck")
        case "hangs":
            time.sleep(600)
    if point["last rank"] in ("is killed", "fails"):
        time.sleep(600)  # as one that waits for another in vain
    return 10.0 + rank()
"""


class TestRankGroups(EvaluatorContract):
    rounds = 5

    @classmethod
    def make(cls, context, settings):
        return RankGroups(
            ProcessEvaluator(context, EvaluatorSettings(num_workers=2 * settings.num_workers)), 2
        )


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Return a function that runs an attempt with three ranks and returns its reports and its end."""
    monkeypatch.setattr(rank_groups, "PATIENCE_SECONDS", 0.5)
    (tmp_path / "ranked.py").write_text(RUNS)
    context = RunContext(str(tmp_path / "ranked.py"), {}, str(tmp_path), sys.path)

    def run(last_rank):
        with RankGroups(ProcessEvaluator(context, EvaluatorSettings(num_workers=3)), 3) as groups:
            groups.start(Assignment(7, 1, {"last rank": last_rank}, str(tmp_path / "trial")))
            events = []
            while not events or not isinstance(events[-1], Ended):
                events += groups.wait(1.0)
        return [event for event in events if isinstance(event, Reported)], events[-1]

    return run


def test_the_first_rank_speaks_for_the_trial(attempt, tmp_path):
    reports, end = attempt("returns")
    assert [(report.step, report.objective) for report in reports] == [(1, 0.0)]
    assert (end.state, end.objective, end.facts["said_by"], end.facts["ranks"]) == (State.DONE, 10.0, 0, 3)
    assert Path(end.facts["place"].removeprefix("file://")).parent == tmp_path / "trial"


@pytest.mark.parametrize(
    ("last_rank", "cause", "reason"),
    [
        ("is killed", Cause.SIGNAL, "rank 2: killed by SIGKILL"),
        ("fails", Cause.EXCEPTION, "rank 2: ValueError"),
    ],
)
def test_a_rank_that_ends_badly_ends_the_attempt_as_it_did(attempt, last_rank, cause, reason):
    _, end = attempt(last_rank)
    assert (end.state, end.cause, end.objective) == (State.FAILED, cause, None)
    assert end.reason.startswith(reason)


def test_a_rank_that_does_not_end_is_killed_once_the_first_one_has_its_result(attempt):
    _, end = attempt("hangs")
    assert (end.state, end.objective) == (State.DONE, 10.0)


def test_the_session_ends_if_too_few_workers_are_left_for_a_trial(tmp_path):
    workers = ProcessEvaluator(
        RunContext("dh_project.testing.runs.run", {}, str(tmp_path)), EvaluatorSettings(num_workers=2)
    )
    with RankGroups(workers, 2) as groups:
        assert groups.wait(0.0) == []
        workers.num_workers = 1  # as an evaluator of ranks does if one is lost
        with pytest.raises(NoWorkersLeft, match="than the 2 ranks of a trial"):
            groups.wait(0.0)
