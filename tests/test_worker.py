"""What a worker makes of each way in which a trial can end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from dh_project.assignment import Assignment, Setting
from dh_project.evaluators.worker_process import WorkerProcess
from dh_project.trial_process import GRACE_SECONDS


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
            messages += [message for message in worker.read() or [] if message["event"] in ("report", "end")]
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
        ("leave", "sys.exit(7) before it returned"),
        ("crash", "killed by SIGABRT"),
        ("return_nan", "the objective is nan"),
        ("return_text", "returned a str where a number belongs"),
        ("return_nothing", "returned a NoneType where a number belongs"),
        ("return_pair", "returned a tuple where a number belongs"),
        ("say_failure", "out_of_memory"),
        ("say_odd_things", "RuntimeError: no file \\udcff"),
        ("leave_with_words", "sys.exit('the data folder is missing')"),
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


def test_a_job_is_known_by_its_type_and_anything_else_is_a_plain_dict(serve):
    assert serve("of_today_by_type")[-1]["objective"] == 2.0
    assert serve("is_plain")[-1]["objective"] == 1.0


def test_threads_may_record(serve):
    end = serve("record_from_threads")[-1]
    assert (end["state"], sorted(end["facts"])) == ("done", ["k0", "k1", "k2", "k3"])


def test_facts_are_made_fit_for_a_row(serve):
    facts = serve("record_odd_facts")[-1]["facts"]
    assert (facts["note"], facts["nested"]) == ("a b c \\udcff", "{'a': [1]}")


def test_an_objective_outlives_the_attempt_s_folder(serve):
    assert serve("remove_the_folder")[-1]["objective"] == 1.0


def test_an_error_made_of_sigterm_is_not_the_trial_s_own(serve):
    end = serve("handle_sigterm", order=lambda worker: worker.kill(0, 1, "paused", "time is up"))[-1]
    assert (end["state"], end["reason"]) == ("paused", "time is up")


def test_a_trial_that_ignores_sigterm_is_killed_after_the_grace_period(serve):
    began = time.monotonic()
    end = serve("ignore_sigterm", order=lambda worker: worker.kill(0, 1, "cancelled", "not wanted"))[-1]
    assert (end["state"], end["reason"]) == ("cancelled", "not wanted")
    assert time.monotonic() - began >= GRACE_SECONDS


def test_a_sigterm_from_outside_is_a_loss_and_no_failure(serve):
    def end_trial(worker):
        os.kill(worker._trial_process, signal.SIGTERM)

    assert serve("report_until_stopped", order=end_trial)[-1]["state"] == "lost"


def test_a_daemon_ends_with_its_trial(serve, tmp_path):
    serve("leave_a_daemon")
    wait_until_dead(int((tmp_path / "leave_a_daemon-0" / "grandchild").read_text()))


def test_a_module_that_reads_and_starts_threads_when_imported_does_no_harm(samples, tmp_path):
    worker = WorkerProcess(
        Setting("reading_run.run", {}, str(tmp_path), [*sys.path, str(samples)]), threads=1
    )
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    messages = []
    while not messages or messages[-1]["event"] != "end":
        messages += worker.read()
    worker.close()
    assert messages[-1]["objective"] == 1.0


def test_a_file_of_the_working_directory_hides_no_module_from_a_worker(serve, tmp_path):
    (tmp_path / "selectors.py").write_text("raise ImportError('not this one')\n")
    assert serve("run")[-1]["state"] == "done"


def test_a_point_changed_in_place_harms_nothing(serve):
    assert serve("change_the_point")[-1]["objective"] == 1.0


def test_a_hung_trial_is_killed_at_its_limit_with_its_children(serve, tmp_path):
    began = time.monotonic()
    end = serve("hang", time_limit=1.0)[-1]
    assert end["state"] == "timeout"
    assert "limit of 1.0 s" in end["reason"]
    assert time.monotonic() - began < 1.0 + 5.0 + 3.0  # limit, grace, and the interpreter's start
    wait_until_dead(int((tmp_path / "hang-0" / "grandchild").read_text()))


def test_a_stopped_trial_keeps_its_objective(serve):
    def stop(worker):
        worker.stop(0, 1)

    end = serve("report_until_stopped", order=stop)[-1]
    assert (end["state"], end["objective"] >= 1.0) == ("stopped", True)


def test_a_killed_trial_ends_in_the_state_asked_for(serve):
    end = serve("report_until_stopped", order=lambda worker: worker.kill(0, 1, "cancelled", "not wanted"))[-1]
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
    os.kill(pid, signal.SIGKILL)
    assert len(children) == 1
    wait_until_dead(int(children[0]))
    worker.close()


def test_grandchildren_of_a_worker_that_is_killed_end_with_it(samples, tmp_path):
    worker = WorkerProcess(Setting("small_run.hang", {}, str(tmp_path), [*sys.path, str(samples)]), threads=1)
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    while worker._trial_process is None:
        worker.read()
    mark = tmp_path / "trial" / "grandchild"
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.02)
    os.kill(int(worker.name.split(":")[1]), signal.SIGKILL)
    worker.why_it_died()
    wait_until_dead(int(mark.read_text()))
    worker.close()
