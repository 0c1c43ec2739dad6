import json
import os

import pytest

from dh_project.results.adoption import unheard_ends
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import RESULT
from dh_project.trial.trial import Cause, State, Trial

TRIAL = Trial(3, {"x": 1.0}, "any", attempt=2, state=State.RUNNING)
DONE = {
    "trial": 3,
    "attempt": 2,
    "point": {"x": 1.0},
    "state": "done",
    "objective": -0.5,
    "reason": None,
    "cause": None,
    "facts": {"test_mae": 0.5},
}


def ends(folder, result, attempt=2, name=RESULT):
    paths = SearchPaths(folder)
    paths.trial(3, attempt).mkdir(parents=True)
    (paths.trial(3, attempt) / name).write_text(result)
    return unheard_ends(paths, [TRIAL])


def test_a_result_that_no_driver_heard_of_is_taken(tmp_path):
    (end,) = ends(tmp_path, json.dumps(DONE))
    assert (end.trial, end.attempt, end.state, end.objective) == (3, 2, State.DONE, -0.5)
    assert end.facts == {"test_mae": 0.5}


def test_a_result_that_a_worker_of_an_earlier_version_wrote_is_taken(tmp_path):
    (end,) = ends(tmp_path, json.dumps(DONE), name="result.json")
    assert (end.trial, end.state, end.objective) == (3, State.DONE, -0.5)


def test_the_last_report_comes_before_the_end_if_it_is_not_on_record(tmp_path, monkeypatch):
    content = json.dumps({**DONE, "state": "parked", "last_report": [4, -0.5]})
    report, end = ends(tmp_path, content)
    assert (report.trial, report.attempt, report.step, report.objective) == (3, 2, 4, -0.5)
    assert end.state is State.PARKED
    monkeypatch.setattr(TRIAL, "reports", [(3, -0.7), (4, -0.5)])
    assert unheard_ends(SearchPaths(tmp_path), [TRIAL]) == [end]


@pytest.mark.parametrize(
    ("content", "is_left"), [(json.dumps(DONE), False), ('{"mae": 0.5}', True), ("[1]", True), ("", True)]
)
def test_a_result_json_counts_as_the_run_function_s_unless_a_worker_wrote_it(tmp_path, content, is_left):
    ends(tmp_path, content, attempt=1, name="result.json")
    paths = SearchPaths(tmp_path)
    assert paths.previous(3, attempt=2) == [paths.trial(3, 1)] * is_left


def test_a_failure_is_taken_with_its_cause(tmp_path):
    failed = {**DONE, "state": "failed", "objective": None, "cause": "exit", "reason": "sys.exit(7)"}
    (end,) = ends(tmp_path, json.dumps(failed))
    assert (end.state, end.cause, end.reason) == (State.FAILED, Cause.EXIT, "sys.exit(7)")


@pytest.mark.parametrize(("state", "is_taken"), [("failed", False), ("timeout", True), ("done", True)])
def test_a_rank_that_failed_may_have_done_so_for_want_of_another(tmp_path, state, is_taken):
    objective = -0.5 if state == "done" else None
    result = {**DONE, "state": state, "objective": objective, "world_size": 2}
    assert bool(ends(tmp_path, json.dumps(result))) == is_taken


def test_the_result_of_an_earlier_attempt_is_not(tmp_path):
    assert ends(tmp_path, json.dumps(DONE), attempt=1) == []


def test_the_result_of_another_search_is_not(tmp_path):
    assert ends(tmp_path, json.dumps({**DONE, "point": {"x": 2.0}})) == []


@pytest.mark.parametrize("state", ["paused", "lost"])
def test_an_attempt_that_was_interrupted_or_lost_is_started_again(tmp_path, state):
    assert ends(tmp_path, json.dumps({**DONE, "state": state, "objective": None})) == []


@pytest.mark.parametrize(
    "result",
    ["", "{", "[]", "{}", '"done"', '{"state": "done"}', json.dumps({**DONE, "objective": "0.5"})],
)
def test_what_no_worker_wrote_is_passed_over(tmp_path, result):
    assert ends(tmp_path, result) == []


@pytest.mark.parametrize("broken", ["a file", "a link to itself", "unreadable"])
def test_a_folder_that_cannot_be_read_has_nothing_to_resume_from(tmp_path, broken):
    folder = SearchPaths(tmp_path).trial(3, 1)
    folder.parent.mkdir(parents=True)
    if broken == "a file":
        folder.write_text("of the run function")
    elif broken == "a link to itself":
        folder.symlink_to(folder)
    else:
        folder.mkdir()
        (folder / "last.pt").write_text("x")
        folder.chmod(0)
        if os.access(folder, os.R_OK):
            pytest.skip("root may read everything")
    assert SearchPaths(tmp_path).previous(3, attempt=2) == []
