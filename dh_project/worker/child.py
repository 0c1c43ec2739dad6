"""The child process of a trial: calls the run function and sends its result to the worker."""

from __future__ import annotations

import ctypes
import io
import json
import math
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from dh_project.common.errors import UserError
from dh_project.trial.attempt import Assignment
from dh_project.trial.deephyper_job import argument_for
from dh_project.trial.ranks import tell_rank
from dh_project.trial.reporting import Connection, connect
from dh_project.trial.seeds import seed_of
from dh_project.user_code.run_seed import with_own_seed
from dh_project.worker.attempt_result import result_of_error, result_of_value
from dh_project.worker.imported_run import ImportedRun
from dh_project.worker.leaving import begin_anew, leave
from dh_project.worker.memory import offer_to_the_system
from dh_project.worker.metadata import Metadata
from dh_project.worker.pace import Pace

PR_SET_PDEATHSIG = 1


def run_child(
    imported: ImportedRun, assignment: Assignment, messages: int, answers: int, worker: int
) -> NoReturn:
    """Run one trial in this forked process, tell the worker its result, and leave as a process of its own would."""
    status, own = 1, os.getpid()
    try:
        begin_anew()
        tell_rank(os.environ, assignment.rank, assignment.world_size)
        pipe = Pipe(messages, answers, assignment, imported.context.seed)
        connect(pipe)
        result = evaluate(imported, assignment, worker)
        if os.getpid() == own:  # otherwise the run function has forked, and this is its child
            pipe.send(result)
            status = 0
            leave(imported.open_files)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):  # the run function may have closed them
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def evaluate(imported: ImportedRun, assignment: Assignment, worker: int) -> dict[str, Any]:
    """Call the run function and return the result of the attempt."""
    try:
        _separate(worker)
        run = imported.run or imported.load()
        point = argument_for(run, assignment.point, assignment.trial)
        imported.random_numbers.begin(assignment.trial, assignment.rank)
        run_kwargs = with_own_seed(run, imported.context.run_kwargs, assignment.replicate)
        return result_of_value(run(point, **run_kwargs))
    except BaseException as error:
        if not isinstance(error, UserError | SystemExit):
            with suppress(OSError):  # the disk may be full
                traceback.print_exc()
        return result_of_error(error)


class Pipe(Connection):
    """The connection of a running trial to its worker, as JSON lines."""

    def __init__(self, messages: int, answers: int, assignment: Assignment, seed: int) -> None:
        self.point, self.seed = assignment.point, seed_of(seed, assignment.trial) % 2**32
        self.messages, self.answers = messages, answers
        self._lock = threading.Lock()  # the run function may have threads
        self._metadata, self._pace = Metadata(), Pace()
        self.folder, self.home = Path(assignment.writes_in), Path(assignment.folder)
        self.predecessors = [Path(folder) for folder in assignment.previous_folders]

    def send(self, message: dict[str, Any]) -> None:
        """Send one message as a whole."""
        data = (json.dumps(message, allow_nan=False) + "\n").encode()
        with self._lock:
            self._write(data)

    def report(self, step: int, objective: float, of: int | None = None) -> bool:
        """Send a report and wait for the worker's answer. Values that are not finite are ignored."""
        if not math.isfinite(objective):
            return True
        data = (json.dumps({"step": step, "objective": objective, "of": of}) + "\n").encode()
        with self._lock:
            self._pace.keep()
            self._write(data)
            answer = os.read(self.answers, 1)
        if not answer:  # the worker is gone
            os._exit(1)
        return answer == b"1"

    def record(self, facts: dict[str, Any]) -> None:
        """Send facts for the row."""
        self.send({"facts": self._metadata.plain(facts)})

    def resumes_from(self, name: str) -> None:
        """Send the name of the checkpoint."""
        self.send({"checkpoint": name})

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.messages, data) :]


def _separate(worker: int) -> None:
    """Leave the worker's process group and signals, and make sure to die with the worker, however it dies."""
    if os.getpgrp() != os.getpid():  # the worker may have done so already
        os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:  # the worker has died already
            os._exit(1)
    offer_to_the_system()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    for stream in {sys.stdout, sys.__stdout__}:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # so that the last lines of a killed trial are in its log
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
