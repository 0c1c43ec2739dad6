"""What a trial left in its node's scratch is brought to its folder before the end that its driver set."""

import time

from dh_project.trial.attempt import Assignment, RunContext
from dh_project.worker.worker_process import WorkerProcess

COPY_SECONDS = 1.5

RUNS = f"""
import time
import dh_project.worker.scratch as worker_scratch
from dh_project.trial.reporting import report, trial_folder

def copy_slowly(*arguments, really=worker_scratch.copy_content):  # the search's file system is a slow one
    time.sleep({COPY_SECONDS})
    really(*arguments)

worker_scratch.copy_content = copy_slowly
worker_scratch.FIRST_SECONDS = 0.1

def run(point):
    (trial_folder() / "checkpoint").write_text("3")
    report(1, 0.0)
    time.sleep(600)
"""


def test_the_time_for_bringing_files_is_taken_from_the_patience_with_a_trial(tmp_path):
    (tmp_path / "runs.py").write_text(RUNS)
    home, patience = tmp_path / "trial", 4.0
    worker = WorkerProcess(
        RunContext(str(tmp_path / "runs.py"), {}, str(tmp_path), scratch=str(tmp_path)), threads=1
    )
    try:
        worker.run(Assignment(0, 1, {}, str(home)))
        limit = time.monotonic() + 60
        while not (home / "checkpoint").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        time.sleep(2 * COPY_SECONDS)  # its log is brought too; then the worker knows how long it takes
        told = time.monotonic()
        worker.kill(0, 1, "paused", "enough", patience)
        messages = []
        while not messages or messages[-1]["event"] != "end":
            messages += worker.read()
        assert messages[-1]["state"] == "paused"
        assert time.monotonic() - told < patience
    finally:
        worker.close()
