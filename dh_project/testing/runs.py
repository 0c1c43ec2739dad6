"""Run functions that end in all possible ways; ``run`` calls the one that ``point["do"]`` names."""

from __future__ import annotations

import atexit
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any, TextIO

from dh_project.trial.reporting import previous_folder, record, report, trial_folder, trial_seed

PROCESSES, CHECKPOINT = "processes.json", "checkpoint"
"""Files in the trial's folder: the ids of its processes, and the checkpoint of ``report_until_told``."""

UNFLUSHED, AT_EXIT = "unflushed.txt", "at_exit.txt"
"""Files of ``leave_files_open`` in the trial's folder."""

_files: list[TextIO] = []


def run(point: dict[str, Any]) -> Any:
    """Call the function that the point names."""
    return globals()[point["do"]](point)


def square(point: dict[str, Any]) -> float:
    """Return a number."""
    record(twice=2 * point["x"])
    return point["x"] ** 2


def report_three_times(point: dict[str, Any]) -> float:
    """Report 1.0, 2.0, 3.0, and return the last of them."""
    for step in range(1, 4):
        report(step, float(step))
    return 3.0


def raise_an_error(point: dict[str, Any]) -> float:
    """Fail."""
    raise RuntimeError("no such luck")


def leave(point: dict[str, Any]) -> float:
    """Exit by ``sys.exit``."""
    sys.exit(7)


def leave_at_once(point: dict[str, Any]) -> float:
    """Exit with status 0 before returning."""
    os._exit(0)


def abort(point: dict[str, Any]) -> float:
    """Crash."""
    os.abort()


def kill_itself(point: dict[str, Any]) -> float:
    """Send itself a SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def terminate_itself(point: dict[str, Any]) -> float:
    """Send itself a SIGTERM, as a batch system would."""
    os.kill(os.getpid(), signal.SIGTERM)
    return 0.0


def return_nan(point: dict[str, Any]) -> float:
    """Return NaN."""
    return float("nan")


def return_text(point: dict[str, Any]) -> str:
    """Return a string."""
    return "0.5"


def say_failure(point: dict[str, Any]) -> str:
    """Return a failure, as run functions of DeepHyper do."""
    return "F_no_luck"


def find_the_disk_full(point: dict[str, Any]) -> float:
    """Fail because the disk is full, which is not its fault."""
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise RuntimeError("the checkpoint was not written") from error


def raise_memory_error(point: dict[str, Any]) -> float:
    """Raise Python's MemoryError."""
    raise MemoryError("for 1 TiB")


def take_memory(point: dict[str, Any]) -> float:
    """Allocate ``point["x"]`` bytes, half of them in a child process, and hold them."""
    half = int(point["x"]) // 2
    child = f"import time; held = b'1' * {half}; time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", child])
    held = b"1" * half
    time.sleep(600)
    return float(len(held))


def record_without_end(point: dict[str, Any]) -> float:
    """Record as fast as possible, for ever, after one report and one value above all limits."""
    _write_processes()
    report(1, 0.0)
    record(huge="x" * 2**24)
    while True:
        record(text="x" * 2**16)


def draw_numbers(point: dict[str, Any]) -> float:
    """Record random numbers of Python and of NumPy, which is imported only here."""
    import numpy as np

    record(python=random.random(), numpy=float(np.random.random()), seed=trial_seed())
    return 0.0


def leave_files_open(point: dict[str, Any]) -> float:
    """Write to a file that stays open, and register an exit function that writes another one."""
    folder = trial_folder()
    if folder is not None:
        _files.append((folder / UNFLUSHED).open("w"))
        _files[-1].write(str(point["x"]))
        atexit.register((folder / AT_EXIT).write_text, str(point["x"]))
    return 0.0


def print_much(point: dict[str, Any]) -> float:
    """Print some words, ``point["x"]`` bytes by a child process, and some more words; then be killed."""
    print("first words")
    much = f"print('many words ' * {int(point['x']) // 11})"
    subprocess.run([sys.executable, "-c", much], check=True)
    print("last words")
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def hang(point: dict[str, Any]) -> float:
    """Report once and hang, with a child that ignores SIGTERM and one in a session of its own."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    children = [
        subprocess.Popen([sys.executable, "-c", deaf]),
        subprocess.Popen(["sleep", "600"], start_new_session=True),
    ]
    _write_processes(*[child.pid for child in children])
    report(1, 0.0)
    time.sleep(600)
    return 0.0


def report_until_told(point: dict[str, Any]) -> float:
    """Report until told to end; then save a checkpoint and return the number of reports.

    It resumes from the checkpoint of an earlier attempt.
    """
    _write_processes()
    before = previous_folder(holding=CHECKPOINT)
    step = 1 if before is None else int((before / CHECKPOINT).read_text()) + 1
    while report(step, float(step)):
        time.sleep(0.02)
        step += 1
    folder = trial_folder()
    if folder is not None:
        (folder / CHECKPOINT).write_text(str(step))
    return float(step)


def record_and_report_until_told(point: dict[str, Any]) -> float:
    """Record a loss and report it, step by step, until told to end."""
    step = 1
    record(loss=1.0 / step)
    while report(step, -1.0 / step):
        step += 1
        record(loss=1.0 / step)
    return -1.0 / step


def report_and_fail(point: dict[str, Any]) -> float:
    """Fail if a report is answered with False."""
    while report(1, 0.0):
        time.sleep(0.02)
    raise OSError("no place for a checkpoint")


def report_and_return(point: dict[str, Any]) -> float:
    """Report once, and return half a second later."""
    report(1, 0.0)
    time.sleep(0.5)
    return 1.0


def _write_processes(*children: int) -> None:
    """Write the ids of the worker, the trial and its children to a file."""
    folder = trial_folder()
    if folder is not None:
        ids = {"worker": os.getppid(), "all": [os.getppid(), os.getpid(), *children]}
        (folder / PROCESSES).write_text(json.dumps(ids))
