"""Run functions that end in all the ways there are."""

import os
import subprocess
import sys
import time

from dh_project import record, report, trial_folder
from dh_project.running import previous_folder


def run(point, seconds=0.0, scale=1.0):
    time.sleep(seconds)
    record(twice=2 * point["x"])
    return -abs(point["x"] - 3.0) * scale


def fail(point):
    raise RuntimeError("no such luck,\nnot today")


def leave(point):
    sys.exit(7)


def crash(point):
    os.abort()


def return_nan(point):
    return float("nan")


def return_text(point):
    return "0.5"


def return_nothing(point):
    return None


def return_pair(point):
    return 1.0, 2.0


def say_failure(point):
    return "F_out_of_memory"


def hang(point):
    """Hang with a grandchild that ignores SIGTERM."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"]
    )
    (trial_folder() / "grandchild").write_text(str(child.pid))
    time.sleep(600)


def of_today(job):
    """A run function as DeepHyper 0.13 documents it."""
    job.record(1, 0.25)
    return {"objective": job.parameters["x"], "metadata": {"stopped": job.stopped(), "who": job["job_id"]}}


def tell(point):
    for step in range(1, 4):
        if not report(step, float(step)):
            return float(step)
        record(last_step=step)
    return 3.0


def report_until_stopped(point):
    step = 0
    while report(step := step + 1, float(step)):
        time.sleep(0.01)
    return float(step)


def change_the_point(point):
    point["x"] = 1e9
    point.clear()
    return 1.0


def go_on(point):
    """Return the attempts so far, each of which leaves a mark; hang at the first."""
    before = previous_folder()
    count = 1 + (int((before / "mark").read_text()) if before else 0)
    (trial_folder() / "mark").write_text(str(count))
    if count == 1:
        time.sleep(600)
    return float(count)


def fail_at_times(point):
    if point["activation"] == "tanh":
        raise RuntimeError("tanh never works")
    return -point["x"]


NOT_CALLABLE = 3


def _refuse(seconds):
    if seconds < 0:
        raise ValueError("seconds is -1;\n it must not be negative")


def prepare(seconds=0.0, scale=1.0):
    _refuse(seconds)
