"""Run functions that end in all the ways there are."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

from dh_project import record, report, trial_folder
from dh_project.trial.reporting import previous_folder


def run(point, seconds=0.0, scale=1.0):
    time.sleep(seconds)
    record(twice=2 * point["x"])
    return -abs(point["x"] - 3.0) * scale


def fail(point):
    raise RuntimeError("no such luck,\nnot today")


def leave(point):
    sys.exit(7)


def leave_at_once(point):
    os._exit(0)


def die_of_an_unnamed_signal(point):
    os.kill(os.getpid(), 40)
    time.sleep(600)


def find_the_disk_full(point):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def find_a_stale_handle(point):
    try:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    except OSError:
        raise RuntimeError("cannot save") from None


def find_the_log_full(point):
    """Print to a full disk, where not even the traceback can be written."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    os.dup2(1, 2)
    print("something")


def ask_numpy_for_too_much(point):
    import numpy

    return numpy.zeros(2**55)


class OutOfMemoryError(RuntimeError):
    """As torch's, by name."""


def ask_a_gpu_for_too_much(point):
    raise OutOfMemoryError("CUDA: you ask too much")


def take_memory_deaf_to_sigterm(point):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    held = b"1" * (300 * 2**20)
    time.sleep(600)
    return len(held)


def share_memory(point):
    """Hold 300 MiB together with three forked children."""
    held = b"1" * (300 * 2**20)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=time.sleep, args=(1.0,)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return float(len(held) > 0)


def tell_oom_score(point):
    def score(pid):
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    record(trial=score("self"), worker=score(os.getppid()))
    return 1.0


def return_in_a_fork(point):
    """Fork, return in the child, and leave in the parent."""
    child = os.fork()
    if not child:
        return 2.0
    os.waitpid(child, 0)
    os._exit(3)


def return_at_sigterm(point):
    """Return what there is when a SIGTERM comes, as some libraries do."""
    came = []
    signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    report(1, 0.0)
    while not came:
        time.sleep(0.01)
    return 0.5


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


def of_today_by_type(work: "RunningJob"):  # noqa: F821
    return work.parameters["x"]


def is_plain(point):
    return float(type(point) is dict)


def record_from_threads(point):
    """Record much from four threads at once."""
    threads = [
        Thread(target=lambda n=n: [record(**{f"k{n}": "v" * 100_000}) for _ in range(10)]) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1.0


def record_odd_facts(point):
    record(note="a\rb\nc \udcff", timestamp_gather="mine", reason="mine", nested={"a": [1]})
    return 1.0


def say_odd_things(point):
    raise RuntimeError("no file \udcff")


def leave_with_words(point):
    sys.exit("the data folder is missing")


def remove_the_folder(point):
    shutil.rmtree(trial_folder())
    return 1.0


def handle_sigterm(point):
    """Make an error of SIGTERM, as some libraries do."""

    def handle(number, frame):
        raise RuntimeError("SIGTERM came")

    signal.signal(signal.SIGTERM, handle)
    report(1, 0.0)
    time.sleep(600)


def ignore_sigterm(point):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report(1, 0.0)
    time.sleep(600)


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


class Sleeping:
    """A standard output that keeps a process from leaving."""

    def flush(self):
        time.sleep(600)


def return_and_linger(point):
    """Return, in a process that does not end for long after its outcome has gone."""
    sys.stdout = Sleeping()
    record(returned=True)
    return 1.0


def tell_slowly(point):
    """Report after three seconds, and say whether there was an answer to save at."""
    time.sleep(3.0)
    while report(1, 1.0):
        time.sleep(3.0)
    record(saved=True)
    return 1.0


def run_unevenly(point):
    """Take three seconds, or in the second starting point eight."""
    time.sleep(8.0 if point["x"] == 2.0 else 3.0)
    return 1.0
