"""The result of each way in which a trial can end. The evaluators' contract tests what all of them share."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from dh_project.testing.evaluator import assert_dead
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.worker.guard import STOPPED_SECONDS
from dh_project.worker.trial_process import GRACE_SECONDS
from dh_project.worker.worker_process import WorkerProcess, close_workers

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
MIB = 2**20


@pytest.fixture
def serve(samples, tmp_path):
    """Return a function that runs one of the sample run functions and returns the worker's messages."""
    workers = []

    def serve(name, order=None, **limits):
        module = "" if "." in name else "small_run."
        context = RunContext(module + name, {}, str(tmp_path), [*sys.path, str(samples)])
        worker = WorkerProcess(context, threads=1)
        workers.append(worker)
        worker.run(Assignment(0, 1, {"x": 2.0, "activation": "relu"}, str(tmp_path / f"{name}-0"), **limits))
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


@pytest.fixture
def hanging(samples, tmp_path):
    """A worker whose trial hangs with a grandchild, and the grandchild's id."""
    worker = WorkerProcess(
        RunContext("small_run.hang", {}, str(tmp_path), [*sys.path, str(samples)]), threads=1
    )
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    yield worker, read_when_there(tmp_path / "trial" / "grandchild")
    worker.close()


def read_when_there(path):
    """Wait for a file that is being written, and return the process id in it."""
    limit = time.monotonic() + 20
    while not (path.exists() and path.read_text()) and time.monotonic() < limit:
        time.sleep(0.02)
    return int(path.read_text())


def pid_of(worker):
    """Return the process id of a worker's guard."""
    return int(worker.name.split(":")[1])


def trial_of(guard):
    """Return the only child of a guard's worker."""
    (worker,) = psutil.Process(guard).children()
    (trial,) = worker.children()
    return trial


def test_a_returned_number_is_the_objective_and_the_end_has_the_facts(serve):
    end = serve("run")[-1]
    assert (end["state"], end["objective"], end["facts"]) == ("done", -1.0, {"twice": 4.0})


@pytest.mark.parametrize(
    ("name", "cause", "reason"),
    [
        ("fail", "exception", "RuntimeError: no such luck, not today (small_run.py:"),
        ("leave", "exit", "sys.exit(7) before it returned"),
        ("leave_at_once", "exit", "exited with status 0 before it returned"),
        ("crash", "signal", "killed by SIGABRT"),
        ("die_of_an_unnamed_signal", "signal", "killed by signal 40"),
        ("return_nan", "not_finite", "the objective is nan"),
        ("return_text", "no_number", "returned a str instead of a number"),
        ("return_nothing", "no_number", "returned a NoneType instead of a number"),
        ("return_pair", "no_number", "returned a tuple instead of a number"),
        ("say_failure", "said", "out_of_memory"),
        ("say_odd_things", "exception", "RuntimeError: no file \\udcff"),
        ("leave_with_words", "exit", "sys.exit('the data folder is missing')"),
        ("no_such_function", "exception", "the module has no attribute 'no_such_function'"),
    ],
)
def test_a_failure_has_its_reason_and_cause(serve, name, cause, reason):
    end = serve(name)[-1]
    assert (end["state"], end["cause"], end["objective"]) == ("failed", cause, None)
    assert reason in end["reason"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "find_the_disk_full",
            "a fault of the machine and not of the trial: OSError: [Errno 28] No space left",
        ),
        ("find_a_stale_handle", "RuntimeError: cannot save"),
        ("find_the_log_full", "No space left on device"),
    ],
)
def test_a_fault_of_the_machine_is_a_loss(serve, name, reason):
    end = serve(name)[-1]
    assert (end["state"], end["cause"]) == ("lost", None)
    assert reason in end["reason"]


def test_a_log_that_cannot_be_opened_is_a_loss_with_its_reason(serve, tmp_path):
    (tmp_path / "run-0" / "log.txt").mkdir(parents=True)
    end = serve("run")[-1]
    assert (end["state"], end["cause"]) == ("lost", None)
    assert "run-0/log.txt" in end["reason"]


@pytest.mark.parametrize("name", ["ask_numpy_for_too_much", "ask_a_gpu_for_too_much"])
def test_a_memory_error_has_a_state_of_its_own(serve, name):
    end = serve(name)[-1]
    assert (end["state"], end["cause"]) == ("memory", None)
    assert "too much" in end["reason"] or "Unable to allocate" in end["reason"]


def test_a_fork_of_the_run_function_that_returns_is_ignored(serve):
    assert serve("return_in_a_fork")[-1]["reason"] == "exited with status 3 before it returned"


def test_the_traceback_is_in_the_attempt_s_log(serve, tmp_path):
    serve("fail")
    assert "raise RuntimeError" in (tmp_path / "fail-0" / "log.txt").read_text()


def test_the_result_lies_in_the_attempt_s_folder(serve, tmp_path):
    serve("run")
    assert '"objective": -1.0' in (tmp_path / "run-0" / "dh-result.json").read_text()


def test_reports_come_in_order_before_the_end(serve):
    messages = serve("tell")
    assert [message.get("step") for message in messages] == [1, 2, 3, None]
    assert messages[-1]["facts"] == {"last_step": 3}


def test_a_run_function_for_deephyper_works(serve):
    messages = serve("of_today")
    assert messages[0]["objective"] == 0.25
    assert messages[-1]["objective"] == 2.0
    assert messages[-1]["facts"] == {"stopped": False, "who": "0.0"}


def test_only_a_run_function_for_deephyper_gets_a_job(serve):
    assert serve("of_today_by_type")[-1]["objective"] == 2.0
    assert serve("is_plain")[-1]["objective"] == 1.0


def test_threads_may_record(serve):
    end = serve("record_from_threads")[-1]
    assert (end["state"], sorted(end["facts"])) == ("done", ["k0", "k1", "k2", "k3"])


def test_facts_become_json_values(serve):
    facts = serve("record_odd_facts")[-1]["facts"]
    assert (facts["note"], facts["nested"]) == ("a b c \\udcff", "{'a': [1]}")


def test_an_objective_outlives_the_attempt_s_folder(serve):
    assert serve("remove_the_folder")[-1]["objective"] == 1.0


def test_an_error_caused_by_sigterm_is_not_a_failure(serve):
    end = serve("handle_sigterm", order=lambda worker: worker.kill(0, 1, "paused", "time is up"))[-1]
    assert (end["state"], end["reason"]) == ("paused", "time is up")


def test_a_trial_that_ignores_sigterm_is_killed_after_the_grace_period(serve):
    began = time.monotonic()
    end = serve("ignore_sigterm", order=lambda worker: worker.kill(0, 1, "cancelled", "not wanted"))[-1]
    assert (end["state"], end["reason"]) == ("cancelled", "not wanted")
    assert time.monotonic() - began >= GRACE_SECONDS


def test_a_number_returned_after_sigterm_is_no_result(serve):
    end = serve("return_at_sigterm", order=lambda worker: worker.kill(0, 1, "paused", "time is up"))[-1]
    assert (end["state"], end["objective"]) == ("paused", None)


def test_a_stop_takes_precedence_over_a_later_pause(serve):
    def stop_and_pause(worker):
        worker.stop(0, 1, after=0)
        worker.kill(0, 1, "paused", "time is up", 30.0)

    assert serve("report_until_stopped", order=stop_and_pause)[-1]["state"] == "stopped"


def test_an_order_for_another_attempt_is_ignored(serve):
    def kill_others(worker):
        worker.kill(0, 2, "cancelled", "the wrong attempt")
        worker.stop(0, 1, after=0)

    assert serve("report_until_stopped", order=kill_others)[-1]["state"] == "stopped"


def test_a_module_that_reads_and_starts_threads_when_imported_does_no_harm(samples, tmp_path):
    worker = WorkerProcess(
        RunContext("reading_run.run", {}, str(tmp_path), [*sys.path, str(samples)]), threads=1
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
    assert_dead([int((tmp_path / "hang-0" / "grandchild").read_text())])


# ---- memory


def test_a_trial_above_its_memory_limit_is_killed_at_once(serve):
    end = serve("take_memory_deaf_to_sigterm", memory_limit=300 * MIB)[-1]
    assert (end["state"], end["cause"]) == ("memory", None)
    assert "of memory; 0.29 GiB are allowed" in end["reason"]


@on_linux
def test_pages_that_forked_children_share_are_counted_once(serve):
    assert serve("share_memory", memory_limit=500 * MIB)[-1]["objective"] == 1.0


@on_linux
def test_a_trial_that_the_system_killed_for_want_of_memory_has_its_own_state(serve):
    end = serve("oom_run.run")[-1]
    assert (end["state"], end["reason"]) == ("memory", "the system ran out of memory and killed it")


@on_linux
def test_the_system_kills_a_trial_before_its_worker(serve):
    assert serve("tell_oom_score")[-1]["facts"] == {"trial": 500, "worker": 0}


# ---- nothing outlives the driver


def test_a_result_is_written_even_if_the_driver_is_gone(samples, tmp_path):
    context = RunContext("small_run.return_and_linger", {}, str(tmp_path), [*sys.path, str(samples)])
    worker = WorkerProcess(context, threads=1)
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    time.sleep(2.0)  # its outcome is in the pipe; the process stays
    worker.close()
    result = json.loads((tmp_path / "trial" / "dh-result.json").read_text())
    assert (result["state"], result["objective"], result["facts"]) == ("done", 1.0, {"returned": True})


def test_a_trial_whose_driver_is_gone_is_paused(hanging, tmp_path):
    worker, _ = hanging
    worker.close()
    assert json.loads((tmp_path / "trial" / "dh-result.json").read_text())["state"] == "paused"


DRIVER = """
import sys, time
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.worker.worker_process import WorkerProcess
folder, samples = sys.argv[1:]
worker = WorkerProcess(RunContext("small_run.hang", {}, folder, [*sys.path, samples]), threads=1)
worker.run(Assignment(0, 1, {}, folder + "/trial"))
print(worker.name.split(":")[1], flush=True)
time.sleep(600)
"""


def test_no_trial_outlives_a_driver_that_is_gone(samples, tmp_path):
    words = [sys.executable, "-c", DRIVER, str(tmp_path), str(samples)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as driver:
        worker = int(driver.stdout.readline())
        grandchild = read_when_there(tmp_path / "trial" / "grandchild")
        trial = trial_of(worker)
        driver.kill()
    assert_dead([worker, trial.pid, grandchild], seconds=10.0)


def test_no_trial_outlives_a_worker_that_is_closed(hanging):
    worker, grandchild = hanging
    worker.close()
    assert_dead([grandchild, pid_of(worker)])


@on_linux
def test_no_trial_outlives_a_worker_that_is_killed(hanging):
    worker, _ = hanging
    trial = trial_of(pid_of(worker))
    os.kill(trial.ppid(), signal.SIGKILL)
    assert_dead([trial.pid])


def test_processes_that_outlive_a_killed_worker_are_found_by_its_mark(hanging):
    worker, grandchild = hanging
    os.kill(pid_of(worker), signal.SIGKILL)
    assert "ended with status -9" in worker.why_it_died()
    assert_dead([grandchild])


def test_a_worker_s_death_is_noticed_even_if_a_process_of_its_import_lives(samples, tmp_path):
    context = RunContext("forking_import.run", {}, str(tmp_path), [*sys.path, str(samples)])
    worker = WorkerProcess(context, threads=1)
    worker.read()  # it is ready
    helper = trial_of(pid_of(worker))
    os.kill(helper.ppid(), signal.SIGKILL)
    assert worker.read() is None
    worker.why_it_died()
    assert_dead([helper.pid])


def test_a_worker_that_still_imports_ends_with_its_driver(samples, tmp_path):
    driver = (
        "import os, sys, time\n"
        "from dh_project.trial.attempt import RunContext\n"
        "from dh_project.worker.worker_process import WorkerProcess\n"
        "WorkerProcess(RunContext('slow_import.run', {}, '.', sys.path), threads=1)\n"
        "time.sleep(600)\n"
    )
    paths = os.pathsep.join([str(samples), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", driver], cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}
    )
    grandchild = read_when_there(tmp_path / "grandchild")
    worker = int((tmp_path / "worker").read_text())
    process.kill()
    process.wait()
    assert_dead([worker, grandchild])


def test_workers_that_do_not_leave_are_closed_together(samples, tmp_path):
    context = RunContext("small_run.run", {}, str(tmp_path), [*sys.path, str(samples)])
    workers = [WorkerProcess(context, threads=1) for _ in range(4)]
    for worker in workers:
        worker.read()  # it is ready
        os.kill(pid_of(worker), signal.SIGSTOP)
    began = time.monotonic()
    close_workers(workers, patience=1.0)
    assert time.monotonic() - began < 3.0  # and not 4
    assert_dead([pid_of(worker) for worker in workers])


def test_the_result_file_has_the_event_the_point_the_number_of_ranks_and_the_last_report(serve, tmp_path):
    end = serve("fail")[-1]
    result = json.loads((tmp_path / "fail-0" / "dh-result.json").read_text())
    assert result.pop("last_report") is None
    assert result.pop("point") == {"x": 2.0, "activation": "relu"}
    assert result.pop("world_size") == 1
    assert {**result, "event": "end"} == end


def test_an_earlier_result_in_the_folder_is_deleted_when_a_trial_starts(samples, tmp_path):
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "dh-result.json").write_text("of another search")
    worker = WorkerProcess(
        RunContext("small_run.hang", {}, str(tmp_path), [*sys.path, str(samples)]), threads=1
    )
    worker.run(Assignment(0, 1, {}, str(tmp_path / "trial")))
    read_when_there(tmp_path / "trial" / "grandchild")
    assert not (tmp_path / "trial" / "dh-result.json").exists()
    worker.close()


def test_metadata_with_odd_keys_does_not_harm_a_result(runs):
    runs.of(
        "def run(point):\n"
        "    return {'objective': 0.5, 'metadata': {1: 'one', None: 2, ('a', 'b'): 3, '': 4, 'two words': 5}}\n"
    )
    end = runs.trial()
    assert (end["state"], end["objective"]) == ("done", 0.5)
    assert end["facts"] == {"1": "one", "None": 2, "('a', 'b')": 3, "": 4, "two words": 5}


@pytest.mark.parametrize("metadata", ["[1, 2]", "'text'", "3", "None", "{}"])
def test_metadata_that_is_no_mapping_does_not_harm_a_result(runs, metadata):
    runs.of(f"def run(point):\n    return {{'objective': 0.5, 'metadata': {metadata}}}\n")
    assert runs.trial()["objective"] == 0.5


@pytest.mark.parametrize(
    ("returned", "cause"),
    [
        ("10**400", "not_finite"),
        ("torch.ones(2)", "no_number"),
        ("np.ones(2)", "no_number"),
        ("1j", "no_number"),
    ],
)
def test_odd_values_have_their_cause(runs, returned, cause):
    runs.of(f"import numpy as np, torch\ndef run(point):\n    return {returned}\n")
    assert runs.trial()["cause"] == cause


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EIO", "ESTALE", "EROFS"])
@pytest.mark.parametrize(
    "wrapped", ["raise e", "raise ValueError('no') from e", "raise ValueError('no') from None"]
)
def test_each_fault_of_a_disk_is_a_loss_however_it_is_told(runs, number, wrapped):
    runs.of(
        f"import errno\ndef run(point):\n    try:\n        raise OSError(errno.{number}, 'disk')\n"
        f"    except OSError as e:\n        {wrapped}\n"
    )
    assert runs.trial()["state"] == "lost"


@on_linux
@pytest.mark.slow
def test_a_worker_that_stays_stopped_is_killed_and_its_trial_lost(hanging):
    """Its trial's limit would never be enforced."""
    guard, _ = hanging
    (worker,) = psutil.Process(pid_of(guard)).children()
    began = time.monotonic()
    worker.send_signal(signal.SIGSTOP)
    while guard.read() is not None:
        pass
    assert STOPPED_SECONDS <= time.monotonic() - began < STOPPED_SECONDS + 20.0
    guard.why_it_died()


@on_linux
def test_sets_have_the_same_order_in_all_workers_of_a_search(make_runs):
    source = (
        "from dh_project import record\ndef run(point):\n    record(a=str({'a', 'b', 'c'}))\n    return 0.0\n"
    )
    orders = [make_runs(seed=3).of(source).trial()["facts"]["a"] for _ in range(4)]
    assert len(set(orders)) == 1
