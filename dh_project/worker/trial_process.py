"""A trial's child process, seen from its worker: its messages, its limits, and how it ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dh_project.common.json_lines import Lines
from dh_project.common.signals import signal_name
from dh_project.trial.attempt import RESULT, Assignment, RunContext
from dh_project.trial.trial import Cause, State
from dh_project.worker.child import run_child
from dh_project.worker.memory import excess, gibibytes, system_kills
from dh_project.worker.outcome import Outcome, failure, outcome
from dh_project.worker.processes import descendants, kill_descendants

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL."""

MEMORY_SECONDS = 0.25
"""Between two looks at the memory of a trial that has a limit."""

NEVER = float("inf")


class TrialProcess:
    """Forks the child of one attempt, which leads a process group of its own.

    A sentence (:meth:`kill`) is carried out in steps, each of which the child may meet by ending: its next report
    is answered with a stop, its group gets a SIGTERM, and all that came of it a SIGKILL. The first sentence names
    the state; a later one can but shorten the time. A trial whose number came before it was told anything is done.

    Args:
        context: What all trials of the worker share.
        assignment: The attempt.
        run: The run function, where the worker has imported it.

    Attributes:
        messages: File descriptor to wait for messages on.
        is_silent: Whether the child has closed its side of it.
    """

    def __init__(self, context: RunContext, assignment: Assignment, run: Callable[..., Any] | None) -> None:
        self.assignment = assignment
        self.is_silent = False
        self._lines = Lines()
        self._outcome: Outcome | None = None
        self._facts: dict[str, Any] = {}
        self._sentence: Outcome | None = None
        self._stop_after = NEVER  # reports of later steps are answered with a stop
        self._told: State | None = None  # what the child was first told to end as
        self._was_killed = False
        self._system_kills = system_kills()
        now, limit = time.monotonic(), assignment.time_limit
        self._limit_at = NEVER if limit is None else now + limit
        self._memory_at = NEVER if assignment.memory_limit is None else now
        self._terminate_at = self._kill_at = NEVER
        Path(assignment.folder).mkdir(parents=True, exist_ok=True)
        (Path(assignment.folder) / RESULT).unlink(missing_ok=True)  # of a search whose journal was taken away
        self.messages, child_messages = os.pipe()
        child_answers, self._answers = os.pipe()
        worker = os.getpid()
        # The worker ignores SIGTERM: one that comes before the child minds it again must wait, not be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self.messages)
                os.close(self._answers)
                run_child(context, assignment, run, child_messages, child_answers, worker)  # does not return
        except OSError:
            os.close(self.messages)
            os.close(self._answers)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            os.close(child_messages)
            os.close(child_answers)
        with suppress(OSError):  # the child does so too: whoever is first, the group is there to be killed
            os.setpgid(self.pid, self.pid)
        os.set_blocking(self.messages, False)

    @property
    def deadline(self) -> float:
        """When :meth:`hold_to_limits` is to be called, by the monotonic clock."""
        return min(self._limit_at, self._memory_at, self._terminate_at, self._kill_at)

    def read(self) -> list[dict[str, Any]]:
        """Take what the child has sent, answer its reports, and return them."""
        reports = []
        while not self.is_silent:
            try:
                chunk = os.read(self.messages, 65536)
            except BlockingIOError:
                break
            self.is_silent = not chunk
            for message in self._lines.feed(chunk):
                if "step" in message:
                    reports.append(message)
                    self._answer(message["step"])
                elif "facts" in message:
                    self._facts.update(message["facts"])
                else:
                    self._outcome = message
        return reports

    def stop(self, after: float) -> None:
        """Let the next report above a step be answered with a stop; the trial ends as stopped, with its objective."""
        self._stop_after = min(self._stop_after, after)

    def kill(self, state: State, reason: str, patience: float = 0.0) -> None:
        """Sentence the trial to end: its next report is answered with a stop, ``patience`` later comes a SIGTERM."""
        self._sentence = self._sentence or outcome(state, reason)
        if self._kill_at == NEVER and not self._was_killed:
            self._terminate_at = min(self._terminate_at, time.monotonic() + patience)

    def abandon(self) -> None:
        """Kill it, for nobody is there to hear of it; unless its outcome has come, it is to go on another time."""
        self._kill()
        self.read()
        self.kill(State.PAUSED, "its driver was gone")
        self._condemn()

    def hold_to_limits(self) -> None:
        """Do what is due. All that the child has said must have been read, so that its own end is known."""
        now, limit = time.monotonic(), self.assignment.time_limit
        if now >= self._limit_at:
            self._limit_at = NEVER
            self.kill(State.TIMEOUT, f"ran longer than its limit of {limit} s")
        if now >= self._memory_at:
            self._look_at_memory()
        if now >= self._terminate_at:
            self._terminate_at, self._kill_at = NEVER, now + GRACE_SECONDS
            self._condemn()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)
        if now >= self._kill_at:
            self._kill()

    def result(self, status: int) -> dict[str, Any]:
        """Return how the attempt ended, and free what it held.

        Args:
            status: The child's exit status, as ``os.waitpid`` gives it.
        """
        kill_descendants()
        os.close(self.messages)
        os.close(self._answers)
        return {**self._end(os.waitstatus_to_exitcode(status)), "facts": self._facts}

    def _answer(self, step: int) -> None:
        if self._told is None:
            if step > self._stop_after:
                self._told = State.STOPPED
            elif self._sentence is not None:
                self._condemn()
        with suppress(BrokenPipeError):  # it died meanwhile, which its exit will tell
            os.write(self._answers, b"1" if self._told is None else b"0")

    def _condemn(self) -> None:
        """Let the sentence stand, whatever the child does from now on, unless its outcome is here."""
        if self._outcome is None and self._sentence is not None:
            self._told = self._sentence["state"]

    def _kill(self) -> None:
        self._terminate_at = self._kill_at = self._memory_at = self._limit_at = NEVER
        self._was_killed = True
        kill_descendants()

    def _look_at_memory(self) -> None:
        """Kill a trial that holds more than its limit, with all that came of it, at once."""
        began, limit = time.monotonic(), self.assignment.memory_limit
        assert limit is not None
        held = excess(descendants(), limit)
        now = time.monotonic()
        self._memory_at = now + max(MEMORY_SECONDS, 10 * (now - began))  # where looking is slow, look seldom
        if held is not None:
            reason = f"held {gibibytes(held)} of memory where {gibibytes(limit)} are allowed"
            self._sentence = outcome(State.MEMORY, reason)
            self._condemn()
            self._kill()

    def _end(self, code: int) -> Outcome:
        """Return the end, from the outcome, the sentence or the exit code."""
        if self._sentence is not None and self._told not in (None, State.STOPPED):
            return self._sentence  # also where the run function made a failure or a number of it
        if self._outcome is not None:
            stopped = self._outcome["state"] == State.DONE and self._told is State.STOPPED
            return {**self._outcome, "state": State.STOPPED} if stopped else self._outcome
        if code == -signal.SIGTERM:  # a batch system ends a job so
            return outcome(State.LOST, "ended by a SIGTERM from outside")
        if code == -signal.SIGKILL and system_kills() > self._system_kills:
            return outcome(State.MEMORY, "the system ran out of memory and killed it")
        if code < 0:
            return failure(Cause.SIGNAL, f"killed by {signal_name(-code)}")
        return failure(Cause.EXIT, f"exited with status {code} before it returned")
