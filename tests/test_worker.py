"""What a worker makes of each way in which a trial can end."""

import os
import sys
import time
from pathlib import Path

import pytest

from dh_project.assignment import Assignment, Setting
from dh_project.evaluators.worker_process import WorkerProcess


@pytest.fixture
def serve(samples, tmp_path):
    """Return a function that runs one of the sample run functions and returns the worker's messages."""
    workers = []

    def serve(name, time_limit=None, order=None, previous_folder=None, trial=0):
        setting = Setting(f"small_run.{name}", {}, str(tmp_path), [*sys.path, str(samples)])
        worker = WorkerProcess(setting, threads=1)
        workers.append(worker)
        folder = str(tmp_path / f"{name}-{trial}")
        worker.run(
            Assignment(trial, 1, {"x": 2.0, "activation": "relu"}, folder, previous_folder, time_limit)
        )
        messages = []
        while not messages or messages[-1]["event"] != "end":
            messages += [message for message in worker.read() or [] if message["event"] != "ready"]
            if order and messages:
                order(worker)
                order = None
        return messages

    yield serve
    for worker in workers:
        worker.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(pid: int) -> None:
    limit = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not is_alive(pid)


def test_a_number_is_the_objective_and_facts_come_with_it(serve):
    end = serve("run")[-1]
    assert (end["state"], end["objective"], end["facts"]) == ("done", -1.0, {"twice": 4.0})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fail", "RuntimeError: no such luck, not today (small_run.py:"),
        ("leave", "exited with status 7 before it returned"),
        ("crash", "killed by SIGABRT"),
        ("return_nan", "the objective is nan"),
        ("return_text", "returned a str where a number belongs"),
        ("return_nothing", "returned a NoneType where a number belongs"),
        ("return_pair", "returned a tuple where a number belongs"),
        ("say_failure", "out_of_memory"),
        ("no_such_function", "the module has no attribute 'no_such_function'"),
    ],
)
def test_a_failure_has_its_reason(serve, name, reason):
    end = serve(name)[-1]
    assert (end["state"], end["objective"]) == ("failed", None)
    assert reason in end["reason"]


def test_the_traceback_is_in_the_attempt_s_log(serve, tmp_path):
    serve("fail")
    assert "raise RuntimeError" in (tmp_path / "fail-0" / "log.txt").read_text()


def test_the_result_lies_in_the_attempt_s_folder(serve, tmp_path):
    serve("run")
    assert '"objective": -1.0' in (tmp_path / "run-0" / "result.json").read_text()


def test_reports_come_in_order_before_the_end(serve):
    messages = serve("tell")
    assert [message.get("step") for message in messages] == [1, 2, 3, None]
    assert messages[-1]["facts"] == {"last_step": 3}


def test_a_run_function_of_today_s_deephyper_works(serve):
    messages = serve("of_today")
    assert messages[0]["objective"] == 0.25
    assert messages[-1]["objective"] == 2.0
    assert messages[-1]["facts"] == {"stopped": False, "who": "0.0"}


def test_a_point_changed_in_place_harms_nothing(serve):
    assert serve("change_the_point")[-1]["objective"] == 1.0


def test_a_hung_trial_is_killed_at_its_limit_with_its_children(serve, tmp_path):
    began = time.monotonic()
    end = serve("hang", time_limit=1.0)[-1]
    assert end["state"] == "timeout"
    assert "limit of 1 s" in end["reason"]
    assert time.monotonic() - began < 1.0 + 5.0 + 3.0  # limit, grace, and the interpreter's start
    wait_until_dead(int((tmp_path / "hang-0" / "grandchild").read_text()))


def test_a_stopped_trial_keeps_its_objective(serve):
    def stop(worker):
        worker._send({"do": "stop", "trial": 0})

    end = serve("report_until_stopped", order=stop)[-1]
    assert (end["state"], end["objective"] >= 1.0) == ("stopped", True)


def test_a_killed_trial_ends_in_the_state_asked_for(serve):
    end = serve("report_until_stopped", order=lambda worker: worker.kill(0, "cancelled", "not wanted"))[-1]
    assert (end["state"], end["reason"]) == ("cancelled", "not wanted")


def test_no_trial_outlives_a_driver_that_is_gone(samples, tmp_path):
    worker = WorkerProcess(Setting("small_run.hang", {}, str(tmp_path), [*sys.path, str(samples)]), threads=1)
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    mark = tmp_path / "trial" / "grandchild"
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.02)
    worker.close()
    wait_until_dead(int(mark.read_text()))


def test_no_trial_outlives_a_worker_that_is_killed(samples, tmp_path):
    setting = Setting("small_run.report_until_stopped", {}, str(tmp_path), [*sys.path, str(samples)])
    worker = WorkerProcess(setting, threads=1)
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    while not any(message["event"] == "report" for message in worker.read() or []):
        pass
    pid = int(worker.name.split(":")[1])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, 9)
    assert len(children) == 1
    wait_until_dead(int(children[0]))
    worker.close()
