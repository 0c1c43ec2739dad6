"""Run functions for the tests of faults. Each leaves evidence outside of the search when it comes to its end."""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import small_run

from dh_project import record, report, trial_folder
from dh_project.trial.reporting import previous_folder


def numbers():
    """Return the trial and the attempt that run here."""
    folder = trial_folder()
    return int(folder.parent.name), int(folder.name.removeprefix("attempt-"))


def leave_evidence(point, file="evidence"):
    """Note, in one append to a file that the search knows nothing of, that this call is at its end."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, (json.dumps([*numbers(), point]) + "\n").encode())
    os.close(descriptor)


def work(point, shortest=0.0, longest=0.1):
    """Take a time that depends on the point, report half-way."""
    seconds = shortest + (longest - shortest) * point["x"] / 10
    time.sleep(seconds / 2)
    report(1, -point["x"])
    time.sleep(seconds / 2)
    leave_evidence(point)
    return -abs(point["x"] - 3.0)


def fail_and_leave_evidence(point, shortest=0.0, longest=0.1):
    work(point, shortest, longest)
    raise RuntimeError("no such luck")


def gated(point):
    """Wait until the file ``gate`` lets this trial through."""
    while numbers()[0] >= int(Path("gate").read_text() or 0):
        time.sleep(0.01)
    leave_evidence(point)
    return -abs(point["x"] - 3.0) - abs(point["units"] - 40) / 100


def checkpointed(point, steps=10, seconds=0.1):
    """Go on from the step that the attempt before came to; return how many steps this attempt began at."""
    before = previous_folder()
    began = step = int((before / "step").read_text()) if before else 0
    while step < steps:
        time.sleep(seconds)
        step += 1
        aside = trial_folder() / "step.new"
        aside.write_text(str(step))
        aside.replace(trial_folder() / "step")
        report(step, float(step))
    leave_evidence(point)
    return float(began)


def curve(point, steps=8, seconds=0.02):
    """Resume from the checkpoint that each step leaves; note each step that is trained, after its checkpoint."""
    before, folder = previous_folder(holding="step"), trial_folder()
    step = int((before / "step").read_text()) if before else 0
    error = abs(point["x"] - 3.0) + 9.0
    goes_on = step < steps
    if step:  # a kill may have lost this report
        goes_on = report(step, -error / step, of=steps) and goes_on
    while goes_on:
        time.sleep(seconds)
        step += 1
        (folder / "step.new").write_text(str(step))
        (folder / "step.new").replace(folder / "step")
        leave_evidence(step, "steps")
        goes_on = report(step, -error / step, of=steps) and step < steps
    return -error / step


def grow(point, steps=100, seconds=0.0):
    """Go on from the checkpoint before, save one at each step, and note each saved step in a file."""
    before = previous_folder(holding="grown")
    step, score = json.loads((before / "grown").read_text()) if before else (0, 0.0)
    goes_on = report(step, score) if step else True  # a kill may have lost this report
    while goes_on and step < steps:
        time.sleep(seconds)
        step, score = step + 1, score - abs(point["x"] - 3.0) - point["units"] / 100
        aside = trial_folder() / ".grown"
        aside.write_text(json.dumps([step, score]))
        aside.replace(trial_folder() / "grown")
        leave_evidence(step, file="saved")
        goes_on = report(step, score)
    return score


def hang_with_children(point):
    """In the first trial, hang with a child and a daemon, all of which ignore SIGTERM; else just work."""
    if numbers()[0] > 0:
        return work(point)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = _fork_and_hang()
    reading, writing = os.pipe()
    if os.fork() == 0:  # the middle one leaves at once, and its child is a daemon
        os.setsid()
        os.write(writing, str(_fork_and_hang()).encode())
        os._exit(0)
    os.wait3(0)
    daemon = int(os.read(reading, 20))
    aside = Path("hung.new")
    aside.write_text(json.dumps({"began": time.time(), "pids": [os.getpid(), child, daemon]}))
    aside.replace("hung")
    while True:
        time.sleep(600)


def _fork_and_hang():
    child = os.fork()
    if child == 0:
        while True:
            time.sleep(600)
    return child


def leave_a_daemon(point):
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    return 1.0


def kill_itself(point):
    os.kill(os.getpid(), signal.SIGKILL)


def return_infinity(point):
    return float("inf")


def eat_memory(point):
    """Ask for more memory than there is for it."""
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
    return float(len(bytearray(2**33)))


def take_memory(point):
    """Use more and more memory, up to four times the limit of the search."""
    taken = []
    while len(taken) < 32:
        taken.append(b"x" * 2**26)
        time.sleep(0.02)
    time.sleep(600)


WAYS = [
    small_run.fail,
    small_run.leave,
    small_run.crash,
    kill_itself,
    small_run.return_nan,
    return_infinity,
    small_run.return_nothing,
    small_run.return_text,
    small_run.return_pair,
    small_run.say_failure,
    small_run.hang,
    eat_memory,
    take_memory,
    leave_a_daemon,
    small_run.change_the_point,
    small_run.run,
]


def die_in_a_way_of_its_own(point):
    """Each trial ends in another way, and says in its row in which."""
    way = WAYS[numbers()[0] % len(WAYS)]
    record(way=way.__name__)
    return way(point)


def ignore_sigterm(point):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (trial_folder() / "ready").touch()
    time.sleep(600)


def of_an_old_version(point):
    """The run function of the journals in ``tests/samples/journals``: the second trial fails, the third one waits."""
    trial, attempt = numbers()
    report(1, 0.5)
    report(2, 1.5)
    if trial == 1:
        raise RuntimeError("no such luck")
    if trial == 2 and attempt == 1:
        time.sleep(600)
    record(twice=2 * point["x"])
    leave_evidence(point)
    return 2.0
