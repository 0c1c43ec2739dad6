"""Handle of a worker process for the process that started it (the driver, or a Ray actor)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any
from uuid import uuid4

from dh_project.common.json_lines import Lines
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.worker.processes import MARK, kill_marked
from dh_project.worker.remains import end_remains
from dh_project.worker.trial_process import GRACE_SECONDS
from dh_project.worker.worker import command, sent

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

LEAVING_SECONDS = 2 * GRACE_SECONDS
"""Seconds that workers may take to exit before they are killed."""

LAST_SECONDS = 1.0
"""Seconds that a worker without output may take to exit before it is killed."""


class WorkerProcess:
    """Starts a worker and exchanges JSON lines with it.

    Args:
        context: What all of its trials share.
        threads: Number of threads that numerical libraries may use.
        environment: Environment variables in addition to those of this process.

    Attributes:
        name: Host and process id.
        events: Stream of the worker's events.
        mark: Random id in the environment of the worker and its descendants, used to find processes that outlive it.
        search: Folder of the search.

    Raises:
        OSError: If the system cannot start a process.

    Example::

        worker = WorkerProcess(context, threads=1)
        worker.run(assignment)
        while (messages := worker.read()) is not None:
            ...
    """

    def __init__(
        self, context: RunContext, threads: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.mark, self.search = uuid4().hex, context.folder
        limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
        order = {"PYTHONHASHSEED": str(context.seed % 2**32)}  # of sets of strings, the same in all workers
        with sent(context) as file:
            self._process = subprocess.Popen(
                command(file),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[file],
                env={**order, **os.environ, **limits, **(environment or {}), MARK: self.mark},
                start_new_session=True,  # so that Ctrl-C in the terminal only reaches the driver
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands: IO[bytes] = self._process.stdin
        self.events: IO[bytes] = self._process.stdout
        self._lines = Lines()
        self.name = f"{os.uname().nodename}:{self._process.pid}"

    def run(self, assignment: Assignment) -> None:
        """Start an attempt at a trial."""
        self._send({"do": "run", **asdict(assignment)})

    def stop(self, trial: int, attempt: int, after: int) -> None:
        """Answer the attempt's next report of a step above ``after`` with a stop."""
        self._send({"do": "stop", "trial": trial, "attempt": attempt, "after": after})

    def kill(self, trial: int, attempt: int, state: str, reason: str, patience: float = 0.0) -> None:
        """End the attempt after ``patience`` seconds."""
        order = {"do": "kill", "trial": trial, "attempt": attempt}
        self._send({**order, "state": state, "reason": reason, "patience": patience})

    def read(self) -> list[dict[str, Any]] | None:
        """Wait for output of the worker and return its complete events; None if the worker has died."""
        chunk = os.read(self.events.fileno(), 65536)
        return self._lines.feed(chunk) if chunk else None

    def why_it_died(self) -> str:
        """Return in words how the worker ended, and kill the processes that it left behind."""
        close_workers([self], patience=LAST_SECONDS)  # without its output a living worker is of no use
        return f"its worker {self.name} ended with status {self._process.returncode}"

    def dismiss(self) -> None:
        """Ask the worker to end its trial and exit."""
        with suppress(BrokenPipeError):
            self._commands.close()

    def join(self, limit: float) -> None:
        """Wait for the worker's exit until ``limit``, a time of the monotonic clock; then kill it."""
        try:
            self._process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.events.close()

    def close(self) -> None:
        """Ask the worker to exit, and kill it if it does not."""
        close_workers([self])

    def _send(self, order: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ValueError):  # it died or was closed; its events will end
            self._commands.write((json.dumps(order) + "\n").encode())
            self._commands.flush()


def close_workers(workers: Collection[WorkerProcess], patience: float = LEAVING_SECONDS) -> None:
    """Ask workers to exit, all at the same time, kill those that do not, and kill processes that they left behind."""
    for worker in workers:
        worker.dismiss()
    limit = time.monotonic() + patience
    for worker in workers:
        worker.join(limit)
    kill_marked({worker.mark for worker in workers})
    for search in {worker.search for worker in workers}:
        end_remains(search)
