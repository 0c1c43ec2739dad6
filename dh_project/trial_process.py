"""A trial's child process, seen from its worker: its messages, its limits, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from dh_project.assignment import Assignment, Setting
from dh_project.child import run_child
from dh_project.trial import State

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL."""


class TrialProcess:
    """Forks the child of one attempt, which leads a process group of its own.

    Args:
        setting: What all trials of the worker share.
        assignment: The attempt.
        run: The run function, where the worker has imported it.
        events: File descriptor of the worker's events, which the child must not keep.

    Attributes:
        messages: File descriptor to wait for messages on.
        is_silent: Whether the child has closed its side of it.
        go_on: What a report is answered.
        deadline: When :meth:`overdue` is to be called, by the monotonic clock.
    """

    def __init__(
        self, setting: Setting, assignment: Assignment, run: Callable[..., Any] | None, events: int
    ) -> None:
        self.assignment = assignment
        self.is_silent = False
        self.go_on = True
        limit = assignment.time_limit
        self.deadline = float("inf") if limit is None else time.monotonic() + limit
        self._outcome: dict[str, Any] | None = None
        self._facts: dict[str, Any] = {}
        self._sentence: tuple[State, str] | None = None
        self._partial = b""
        Path(assignment.folder).mkdir(parents=True, exist_ok=True)
        self.messages, child_messages = os.pipe()
        child_answers, self._answers = os.pipe()
        # The worker ignores SIGTERM: one that comes before the child minds it again must wait, not be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.messages)
            os.close(self._answers)
            os.close(events)  # or the driver could not see the worker's end while a grandchild lives
            run_child(setting, assignment, run, child_messages, child_answers)  # does not return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        with suppress(OSError):  # the child does so too: whoever is first, the group is there to be killed
            os.setpgid(self.pid, self.pid)
        os.close(child_messages)
        os.close(child_answers)
        os.set_blocking(self.messages, False)

    def read(self) -> list[dict[str, Any]]:
        """Take what the child has sent, answer its reports, and return them."""
        while not self.is_silent:
            try:
                chunk = os.read(self.messages, 65536)
            except BlockingIOError:
                break
            self.is_silent = not chunk
            self._partial += chunk
        *lines, self._partial = self._partial.split(b"\n")
        reports = []
        for line in lines:
            message = json.loads(line)
            if "step" in message:
                reports.append(message)
                with suppress(BrokenPipeError):  # it died meanwhile, which its exit will tell
                    os.write(self._answers, b"1" if self.go_on else b"0")
            elif "facts" in message:
                self._facts.update(message["facts"])
            else:
                self._outcome = message
        return reports

    def overdue(self) -> None:
        """Go on with the end of a child whose deadline has passed."""
        self.kill(State.TIMEOUT, f"ran longer than its limit of {self.assignment.time_limit} s")

    def kill(self, state: State, reason: str) -> None:
        """Ask the child's process group to end (SIGTERM); asked again, kill it and all that came of it."""
        if self._sentence is None:
            self._sentence = (state, reason)
            self.deadline = time.monotonic() + GRACE_SECONDS
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)
        else:
            self.deadline = float("inf")
            kill_descendants()

    def result(self, status: int) -> dict[str, Any]:
        """Return how the attempt ended, and free what it held.

        Args:
            status: The child's exit status, as ``os.waitpid`` gives it.
        """
        kill_descendants()
        os.close(self.messages)
        os.close(self._answers)
        state, objective, reason = self._end(os.waitstatus_to_exitcode(status))
        return {"state": state, "objective": objective, "reason": reason, "facts": self._facts}

    def _end(self, code: int) -> tuple[State, float | None, str | None]:
        """Return state, objective and reason, from the outcome, the sentence or the exit code."""
        outcome = self._outcome
        if outcome is not None and outcome["state"] == State.DONE:
            return (State.DONE if self.go_on else State.STOPPED), outcome["objective"], None
        if self._sentence is not None:  # also where the run function made a failure of it
            return self._sentence[0], None, self._sentence[1]
        if outcome is not None:
            return State.FAILED, None, outcome["reason"]
        if code == -signal.SIGTERM:  # a batch system ends a job so
            return State.LOST, None, "ended by a SIGTERM from outside"
        if code < 0:
            return State.FAILED, None, f"killed by {signal.Signals(-code).name}"
        return State.FAILED, None, f"exited with status {code} before it returned"


def kill_descendants() -> None:
    """Kill all processes below this one, which serves one trial at a time."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
