"""A worker's process, held by whoever started it (this driver, or a Ray actor)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import IO, Any

from dh_project.assignment import Assignment, Setting
from dh_project.trial_process import GRACE_SECONDS
from dh_project.worker import command

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class WorkerProcess:
    """Starts a worker and speaks with it in JSON lines.

    Args:
        setting: What all of its trials share.
        threads: Threads that numerical libraries may use in it.
        environment: Variables beside the present ones.
    """

    def __init__(self, setting: Setting, threads: int, environment: Mapping[str, str] | None = None) -> None:
        variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), **(environment or {})}
        self._process = subprocess.Popen(
            command(setting),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
            start_new_session=True,  # Ctrl-C in the terminal goes to the driver alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands: IO[bytes] = self._process.stdin
        self.events: IO[bytes] = self._process.stdout
        self._partial = b""
        self._trial_process: int | None = None
        self.name = f"{os.uname().nodename}:{self._process.pid}"

    def run(self, assignment: Assignment) -> None:
        """Start a trial."""
        self._send({"do": "run", **asdict(assignment)})

    def kill(self, trial: int, state: str, reason: str) -> None:
        """End the trial that runs."""
        self._send({"do": "kill", "trial": trial, "state": state, "reason": reason})

    def read(self) -> list[dict[str, Any]] | None:
        """Wait for the worker to say something, and return its whole events so far; None where it has died."""
        chunk = os.read(self.events.fileno(), 65536)
        if not chunk:
            return None
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        messages = [json.loads(line) for line in lines]
        for message in messages:
            if message["event"] in ("started", "end"):
                self._trial_process = message.get("pid")
        return messages

    def why_it_died(self) -> str:
        """Return in words how the worker's process ended, and end what it left behind."""
        if self._trial_process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._trial_process, signal.SIGKILL)
        return f"its worker {self.name} ended with status {self._process.wait()}"

    def close(self) -> None:
        """Let the worker end its trial and leave; kill it where it does not."""
        with suppress(BrokenPipeError):
            self._commands.close()
        try:
            self._process.wait(2 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.events.close()

    def _send(self, order: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ValueError):  # it died or was closed: the end of its events tells
            self._commands.write((json.dumps(order) + "\n").encode())
            self._commands.flush()
