"""Events from the data of jobs, which are built as in the server's answers."""

import json
from datetime import UTC, datetime

import pytest

from dh_project.hpc.balsam.client.models import BalsamJob, JobState
from dh_project.hpc.balsam.jobs import watch
from dh_project.hpc.balsam.jobs.states import READINGS
from dh_project.hpc.balsam.jobs.watch import Attempt, Attempts
from dh_project.trial.attempt import RESULT, Assignment
from dh_project.trial.events import Ended, Reported, Retried
from dh_project.trial.trial import State

END = {
    "state": "done",
    "objective": 0.5,
    "reason": None,
    "cause": None,
    "facts": {"a": 1},
    "worker": "host:1",
}


@pytest.fixture
def attempts(tmp_path):
    attempts = Attempts()
    attempts.add(Attempt(Assignment(3, 1, {"x": 1.0}, str(tmp_path)), tmp_path / "job"))
    return attempts


def job(state="RUNNING", number=3, attempt=1, job_id=7, data=None, **tags):
    return BalsamJob(
        id=job_id,
        app_id=1,
        workdir="w",
        state=state,
        last_update=datetime.now(UTC),
        tags={"kind": "trial", "number": str(number), "attempt": str(attempt), **tags},
        data=data,
    )


def test_reports_are_heard_once_each(attempts):
    first = attempts.hear(job(data={"first": 0, "reports": [[1, 0.1], [2, 0.2]]}))
    again = attempts.hear(job(data={"first": 1, "reports": [[2, 0.2], [3, 0.3]]}))
    assert first == [Reported(3, 1, 1, 0.1), Reported(3, 1, 2, 0.2)]
    assert again == [Reported(3, 1, 3, 0.3)]


def test_the_end_comes_after_the_last_reports_and_only_once(attempts):
    ending = job("RUNNING", data={"first": 0, "reports": [[1, 0.1]], "end": END})
    report, end = attempts.hear(ending)
    assert isinstance(report, Reported)
    assert (end.state, end.objective, end.facts) == (State.DONE, 0.5, {"a": 1})
    assert attempts.hear(ending) == []


@pytest.mark.parametrize("state", [state for state in JobState if READINGS[state].state is State.LOST])
def test_a_job_that_is_over_without_a_word_is_lost(attempts, monkeypatch, state):
    monkeypatch.setattr(watch, "GRACE_SECONDS", -1.0)
    assert attempts.hear(job(state)) == []
    (end,) = attempts.lose_silent()
    assert (end.state, end.attempt) == (State.LOST, 1)
    assert READINGS[state].reason in end.reason


def test_a_job_that_runs_after_all_is_not_lost(attempts, monkeypatch):
    monkeypatch.setattr(watch, "GRACE_SECONDS", -1.0)
    attempts.hear(job("RUN_TIMEOUT"))
    attempts.hear(job("RUNNING"))
    assert attempts.lose_silent() == []


def test_the_last_words_of_a_lost_job_are_in_its_reason(attempts, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "GRACE_SECONDS", -1.0)
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "job.out").write_text("so far so good\nmpiexec: no such host\n")
    attempts.hear(job("FAILED"))
    (end,) = attempts.lose_silent()
    assert end.reason.endswith("mpiexec: no such host")


def test_the_result_file_tells_the_end_if_the_server_was_not_told(attempts, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "GRACE_SECONDS", -1.0)
    (tmp_path / RESULT).write_text(json.dumps({"trial": 3, "attempt": 1, "point": {"x": 1.0}, **END}))
    attempts.hear(job("RUN_DONE"))
    (end,) = attempts.lose_silent()
    assert (end.state, end.objective) == (State.DONE, 0.5)


def test_results_are_read_while_the_server_is_away(attempts, tmp_path):
    assert attempts.read_results() == []
    (tmp_path / RESULT).write_text(json.dumps({"trial": 3, "attempt": 1, "point": {"x": 1.0}, **END}))
    assert [end.objective for end in attempts.read_results()] == [0.5]


def test_the_result_of_another_point_is_not_its_own(attempts, tmp_path):
    (tmp_path / RESULT).write_text(json.dumps({"trial": 3, "attempt": 1, "point": {"x": 2.0}, **END}))
    assert attempts.read_results() == []


@pytest.mark.parametrize("other", [{"number": 4}, {"attempt": 2}, {"kind": "search"}])
def test_jobs_of_others_are_passed_over(attempts, other):
    assert attempts.hear(job(data={"end": END}, **other)) == []


def test_a_double_of_a_job_is_not_heard(attempts):
    attempts.hear(job(job_id=7))
    assert attempts.hear(job(job_id=8, data={"end": END})) == []


def test_a_wish_for_another_attempt_is_told_once_and_not_while_one_runs(attempts):
    assert attempts.hear(job("FAILED", retry="1")) == []
    attempts.end(Ended(3, 1, State.FAILED))
    assert attempts.hear(job("FAILED", retry="1")) == [Retried(3, 1)]
    assert attempts.hear(job("FAILED", retry="1")) == []


def test_every_state_of_balsam_is_read():
    assert set(READINGS) == set(JobState)
