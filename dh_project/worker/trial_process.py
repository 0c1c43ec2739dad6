"""The child process of a trial, seen from its worker: messages, limits and the result."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dh_project.common.json_lines import Lines
from dh_project.common.signals import signal_name
from dh_project.trial.attempt import LOG, RESULT, Assignment
from dh_project.trial.trial import Cause, State
from dh_project.worker.attempt_result import AttemptResult, failure, without_objective
from dh_project.worker.child import run_child
from dh_project.worker.imported_run import ImportedRun
from dh_project.worker.memory import excess, gibibytes, system_kills
from dh_project.worker.processes import descendants, kill_descendants
from dh_project.worker.trial_log import OutputPipe, TrialLog

GRACE_SECONDS = 3.0
"""Seconds between SIGTERM and SIGKILL."""

MOST_CHUNKS = 32
"""Most pieces of 64 KiB that are read from a child at once. A pipe holds one, or 16 if its size was raised."""

MEMORY_SECONDS = 0.25
"""Seconds between two checks of a trial's memory, if it has a limit."""

LEAVING_SECONDS = 10.0
"""Seconds that a trial may take, after its result, for its threads, its exit functions and its open files."""

NEVER = float("inf")


class TrialProcess:
    """Forks the child of one attempt, which leads a process group of its own.

    A sentence (:meth:`kill`) is carried out in three steps. The child's next report is answered with a stop. Later
    its process group gets a SIGTERM, and at last all of its descendants get a SIGKILL. The child can end at each
    step. The first sentence determines the state; a later one can only shorten the time. A trial that returned its
    objective before it was told to end is done.

    Args:
        imported: The run function of the worker.
        assignment: The attempt.
        output: The pipe for what its processes print.

    Attributes:
        messages: File descriptor of the child's messages.
        is_silent: Whether the child has closed its side of the pipe.
        last_report: Step and objective of the last report; None before the first one.
        log: The log of what its processes print.

    Raises:
        OSError: Its folder, log or process cannot be made.
    """

    def __init__(self, imported: ImportedRun, assignment: Assignment, output: OutputPipe) -> None:
        self.assignment = assignment
        self.is_silent = False
        self.last_report: tuple[int, float] | None = None
        self._lines = Lines()
        self._child_result: AttemptResult | None = None
        self._facts: dict[str, Any] = {}
        self._checkpoints: set[str] = set()
        self._sentence: AttemptResult | None = None
        self._stop_after = NEVER  # reports of later steps are answered with a stop
        self._told: State | None = None  # the state as which the child was first told to end
        self._told_at: int | None = None  # the step at which it was told so
        self._was_killed = False
        self._system_kills = system_kills()
        now, limit = time.monotonic(), assignment.time_limit
        self._limit_at = NEVER if limit is None else now + limit
        self._memory_at = NEVER if assignment.memory_limit is None else now
        self._terminate_at = self._kill_at = self._leave_at = NEVER
        Path(assignment.folder).mkdir(parents=True, exist_ok=True)
        (Path(assignment.folder) / RESULT).unlink(
            missing_ok=True
        )  # it may be left of a search whose journal was removed
        self.log = TrialLog(Path(assignment.writes_in) / LOG, output)
        self.messages, child_messages = os.pipe()
        child_answers, self._answers = os.pipe()
        worker = os.getpid()
        # The worker ignores SIGTERM. Block it until the child handles it again, so that none is lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self.messages)
                os.close(self._answers)
                self.log.leave_to_child()
                run_child(imported, assignment, child_messages, child_answers, worker)  # does not return
        except OSError:
            self.log.close()
            os.close(self.messages)
            os.close(self._answers)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            os.close(child_messages)
            os.close(child_answers)
        with suppress(OSError):  # the child does so too: whoever is first, the group exists
            os.setpgid(self.pid, self.pid)
        os.set_blocking(self.messages, False)

    @property
    def deadline(self) -> float:
        """Time of the monotonic clock at which :meth:`hold_to_limits` must be called."""
        return min(self._limit_at, self._memory_at, self._terminate_at, self._kill_at, self._leave_at)

    def read(self) -> list[dict[str, Any]]:
        """Read the child's messages, answer its reports, and return the reports.

        One call reads a limited part of what a child sends without a pause, so that the worker can enforce limits and
        hear its driver. It is more than a pipe holds, so that nothing is missed of a child that has ended.
        """
        reports = []
        for _ in range(MOST_CHUNKS):
            if self.is_silent:
                break
            try:
                chunk = os.read(self.messages, 65536)
            except BlockingIOError:
                break
            self.is_silent = not chunk
            for message in self._lines.feed(chunk):
                if "step" in message:
                    self.last_report = message["step"], message["objective"]
                    self._answer(*self.last_report, message.pop("of", None))
                    reports.append(message)
                elif "checkpoint" in message:
                    self._checkpoints.add(message["checkpoint"])
                elif "facts" in message:
                    self._facts.update(message["facts"])
                else:
                    self._child_result = message
                    self._leave_at = time.monotonic() + LEAVING_SECONDS
        return reports

    def stop(self, after: float) -> None:
        """Answer the next report of a later step with a stop; the trial then ends as stopped, with its objective."""
        self._stop_after = min(self._stop_after, after)

    def kill(self, state: State, reason: str, patience: float = 0.0) -> None:
        """Sentence the trial to end: answer its next report with a stop, and send a SIGTERM after ``patience`` s."""
        self._sentence = self._sentence or without_objective(state, reason)
        if self._kill_at == NEVER and not self._was_killed:
            self._terminate_at = min(self._terminate_at, time.monotonic() + patience)

    def abandon(self) -> None:
        """Kill the trial because its driver is gone. Unless its result has come, it counts as paused."""
        self._kill()
        self.read()
        self.kill(State.PAUSED, "its driver was gone")
        self._condemn()

    def hold_to_limits(self) -> None:
        """Carry out limits and sentences that are due. Call :meth:`read` first: it may have the child's own end."""
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
        if now >= self._leave_at:
            said = f"killed: {LEAVING_SECONDS:g} s after its result, its threads or exit functions still ran"
            self.log.write(f"\n{said}\n".encode())
        if now >= min(self._kill_at, self._leave_at):
            self._kill()

    def result(self, status: int) -> dict[str, Any]:
        """Return the result of the attempt with its facts, kill its descendants and close its pipes.

        Args:
            status: Exit status of the child, as ``os.waitpid`` returns it.
        """
        kill_descendants()
        os.close(self.messages)
        os.close(self._answers)
        self.log.read()
        end = self._end(os.waitstatus_to_exitcode(status))
        self.log.close()
        return {**end, "facts": self._facts}

    def remove_older_checkpoints(self) -> None:
        """Remove the checkpoints of earlier attempts of this trial if this attempt has left newer ones."""
        folder = Path(self.assignment.folder)
        if self.assignment.keeps_checkpoints:
            return
        for name in self._checkpoints:
            if (folder / name).is_file():
                for previous in map(Path, self.assignment.previous_folders):
                    if previous.parent == folder.parent:  # of this trial, and not of its parent
                        with suppress(OSError):
                            (previous / name).unlink(missing_ok=True)

    def _answer(self, step: int, objective: float, last: int | None) -> None:
        until = self.assignment.until
        if self._told is None:
            if step > self._stop_after:
                self._told = State.STOPPED
            elif self._sentence is not None:
                self._condemn()
            elif self._meets_a_criterion(step, objective):
                self._told = State.DONE
            elif until is not None and until <= step < (NEVER if last is None else last):
                self._told = State.PARKED
            self._told_at = step
        with suppress(BrokenPipeError):  # the child has died; its exit status will show it
            os.write(self._answers, b"1" if self._told is None else b"0")

    def _meets_a_criterion(self, step: int, objective: float) -> bool:
        known = {**self._facts, "step": step, "objective": objective}
        return any(criterion.is_met(known) for criterion in self.assignment.criteria)

    def _condemn(self) -> None:
        """Make the sentence final, whatever the child does from now on, unless its result has come."""
        if self._child_result is None and self._sentence is not None:
            self._told = self._sentence["state"]

    def _as_told(self, result: AttemptResult) -> AttemptResult:
        """Return the child's result as stopped or parked if it was told so and returned its objective."""
        if result["state"] != State.DONE:
            return result
        if self._told is State.STOPPED:
            return {**result, "state": State.STOPPED}
        ran_on = self.last_report is not None and self.last_report[0] != self._told_at
        if self._told is State.PARKED and not ran_on:  # else it is at its end
            return {**result, "state": State.PARKED, "reason": f"parked at step {self._told_at}"}
        return result

    def _kill(self) -> None:
        self._terminate_at = self._kill_at = self._leave_at = self._memory_at = self._limit_at = NEVER
        self._was_killed = True
        kill_descendants()

    def _look_at_memory(self) -> None:
        """Kill a trial and its descendants at once if they hold more memory than their limit."""
        began, limit = time.monotonic(), self.assignment.memory_limit
        assert limit is not None
        held = excess(descendants(), limit)
        now = time.monotonic()
        self._memory_at = now + max(
            MEMORY_SECONDS, 10 * (now - began)
        )  # if the check is slow, check less often
        if held is not None:
            reason = f"held {gibibytes(held)} of memory; {gibibytes(limit)} are allowed"
            self._sentence = without_objective(State.MEMORY, reason)
            self._condemn()
            self._kill()

    def _end(self, code: int) -> AttemptResult:
        """Return the result from the child's message, the sentence or the exit code."""
        if self._sentence is not None and self._told not in (None, State.STOPPED, State.DONE, State.PARKED):
            return self._sentence  # even if the run function then failed or returned a number
        if self._child_result is not None:
            return self._as_told(self._child_result)
        words = self.log.last_words() if code < 0 else ""
        told = f"; its last words: {words}" if words else ""
        if code == -signal.SIGTERM:  # batch systems end jobs so
            return without_objective(State.LOST, f"ended by a SIGTERM from outside{told}")
        if code == -signal.SIGKILL and system_kills() > self._system_kills:
            return without_objective(State.MEMORY, "the system ran out of memory and killed it")
        if code < 0:
            return failure(Cause.SIGNAL, f"killed by {signal_name(-code)}{told}")
        return failure(Cause.EXIT, f"exited with status {code} before it returned")
