"""A worker's process, held by whoever started it (this driver, or a Ray actor)."""

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
from dh_project.worker.trial_process import GRACE_SECONDS
from dh_project.worker.worker import command

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")

LEAVING_SECONDS = 2 * GRACE_SECONDS
"""How long workers may take to leave before they are killed."""


class WorkerProcess:
    """Starts a worker and speaks with it in JSON lines.

    Args:
        context: What all of its trials share.
        threads: Threads that numerical libraries may use in it.
        environment: Variables beside the present ones.

    Attributes:
        name: Its host and process.
        events: To wait for its events on.
        mark: In its environment and that of all that comes of it, by which what it leaves behind is found.

    Raises:
        OSError: The system has no process to give.
    """

    def __init__(
        self, context: RunContext, threads: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.mark = uuid4().hex
        limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
        self._process = subprocess.Popen(
            command(context),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **limits, **(environment or {}), MARK: self.mark},
            start_new_session=True,  # Ctrl-C in the terminal goes to the driver alone
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
        """Let the attempt's next report above a step be answered with a stop."""
        self._send({"do": "stop", "trial": trial, "attempt": attempt, "after": after})

    def kill(self, trial: int, attempt: int, state: str, reason: str, patience: float = 0.0) -> None:
        """End the attempt, in so many seconds."""
        order = {"do": "kill", "trial": trial, "attempt": attempt}
        self._send({**order, "state": state, "reason": reason, "patience": patience})

    def read(self) -> list[dict[str, Any]] | None:
        """Wait for the worker to say something, and return its whole events so far; None where it has died."""
        chunk = os.read(self.events.fileno(), 65536)
        return self._lines.feed(chunk) if chunk else None

    def why_it_died(self) -> str:
        """Return in words how the worker's process ended, and end what it left behind."""
        close_workers([self], patience=0.0)  # it has closed its output: where it is not dead, it is of no use
        return f"its worker {self.name} ended with status {self._process.returncode}"

    def dismiss(self) -> None:
        """Let the worker end its trial and leave."""
        with suppress(BrokenPipeError):
            self._commands.close()

    def join(self, limit: float) -> None:
        """Wait for the worker to leave until ``limit``, by the monotonic clock; then kill it."""
        try:
            self._process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.events.close()

    def close(self) -> None:
        """Let the worker leave, or kill it."""
        close_workers([self])

    def _send(self, order: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ValueError):  # it died or was closed: the end of its events tells
            self._commands.write((json.dumps(order) + "\n").encode())
            self._commands.flush()


def close_workers(workers: Collection[WorkerProcess], patience: float = LEAVING_SECONDS) -> None:
    """Let workers leave, all at the same time, kill those that do not, and end what any of them left behind."""
    for worker in workers:
        worker.dismiss()
    limit = time.monotonic() + patience
    for worker in workers:
        worker.join(limit)
    kill_marked({worker.mark for worker in workers})
