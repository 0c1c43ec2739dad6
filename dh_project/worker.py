"""The worker: a process that runs one trial at a time, each in a child process of its own.

Whatever the evaluator, trials run here, so one place knows the ways to die. The worker imports the run
function once and forks a child for each trial, which costs milliseconds. Commands come as JSON lines on its
standard input, events go as JSON lines to its standard output; where the input ends, the driver is gone: the
worker kills its trial and leaves. The child leads a process group of its own, writes to ``log.txt`` in the
attempt's folder, and speaks over two pipes: messages up (reports, facts, the outcome), answers down.

    commands   {"do": "run", "trial": 3, "attempt": 1, "point": {…}, "folder": "…", …}   {"do": "stop"|"kill", …}
    events     {"event": "ready", …}   {"event": "report", …}   {"event": "end", "state": "done", …}
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

from dh_project.assignment import Assignment, Setting
from dh_project.child import run_child
from dh_project.files import write_whole
from dh_project.loading import load_run
from dh_project.trial import State

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL."""


class RunningChild:
    """A trial's child process, seen from the worker."""

    def __init__(
        self, setting: Setting, assignment: Assignment, run: Callable[..., Any] | None, events: int
    ) -> None:
        self.assignment = assignment
        self.outcome: dict[str, Any] | None = None
        self.facts: dict[str, Any] = {}
        self.go_on = True
        self.sentence: tuple[State, str] | None = None
        self.deadline = (
            time.monotonic() + assignment.time_limit if assignment.time_limit is not None else float("inf")
        )
        Path(assignment.folder).mkdir(parents=True, exist_ok=True)
        self.messages, child_messages = os.pipe()
        child_answers, self.answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.messages)
            os.close(self.answers)
            os.close(events)  # or the driver could not see the worker's end while a grandchild lives
            run_child(setting, assignment, run, child_messages, child_answers)  # does not return
        with suppress(OSError):
            os.setpgid(
                self.pid, self.pid
            )  # as the child does itself: whoever is first, its group can be killed
        os.close(child_messages)
        os.close(child_answers)
        os.set_blocking(self.messages, False)
        self._partial = b""

    def read(self) -> list[dict[str, Any]]:
        """Return the whole messages that have come."""
        while True:
            try:
                chunk = os.read(self.messages, 65536)
            except BlockingIOError:
                break
            if not chunk:
                break
            self._partial += chunk
        *lines, self._partial = self._partial.split(b"\n")
        return [json.loads(line) for line in lines]

    def answer(self) -> None:
        """Answer a report: go on, or end now."""
        with suppress(BrokenPipeError):  # it died meanwhile, which its exit will tell
            os.write(self.answers, b"1" if self.go_on else b"0")

    def kill(self, state: State, reason: str) -> None:
        """End the child's whole process group: SIGTERM now, SIGKILL after the grace period."""
        if self.sentence is None:
            self.sentence = (state, reason)
            self._signal(signal.SIGTERM)
            self.deadline = time.monotonic() + GRACE_SECONDS
        else:
            self._signal(signal.SIGKILL)
            self.deadline = float("inf")

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # gone
            os.killpg(self.pid, number)

    def result(self, status: int) -> dict[str, Any]:
        """Return how the attempt ended, from its outcome, its sentence or its exit status; free what it held."""
        self._signal(signal.SIGKILL)  # grandchildren that outlived the trial
        os.close(self.messages)
        os.close(self.answers)
        result: dict[str, Any] = {
            "state": State.FAILED,
            "objective": None,
            "reason": None,
            "facts": self.facts,
        }
        if self.outcome is not None:
            result.update(self.outcome)
            if not self.go_on and result["state"] == State.DONE:
                result["state"] = State.STOPPED
        elif self.sentence is not None:
            result["state"], result["reason"] = self.sentence
        elif (code := os.waitstatus_to_exitcode(status)) < 0:
            result["reason"] = f"killed by {signal.Signals(-code).name}"
        else:
            result["reason"] = f"exited with status {code} before it returned"
        return result


class Worker:
    """Serves commands until its input ends.

    Args:
        setting: What all trials share.
        commands: File descriptor to read commands from.
        events: File descriptor to write events to.
    """

    def __init__(self, setting: Setting, commands: int, events: int) -> None:
        self.setting = setting
        self.commands, self.events = commands, events
        self.child: RunningChild | None = None
        self.run: Callable[..., Any] | None = None
        self._partial = b""

    def serve(self) -> None:
        """Run trials until the driver closes the input."""
        self._preload()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.commands, selectors.EVENT_READ)
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, _ignore)
        self.selector.register(wake, selectors.EVENT_READ)
        self._emit({"event": "ready", "pid": os.getpid()})
        while True:
            limit = self.child.deadline - time.monotonic() if self.child else float("inf")
            ready = self.selector.select(None if limit == float("inf") else max(0.0, limit))
            for key, _ in ready:
                if key.fd == wake:
                    os.read(wake, 4096)
                elif key.fd == self.commands and not self._read_commands():
                    self._leave()
                    return
            self._tend_child()

    def _preload(self) -> None:
        """Import the run function now, so that children have it; one that cannot be is each child's own error."""
        if not self.setting.preload:
            return
        try:
            self.run = load_run(self.setting.run)
        except (Exception, SystemExit):
            return
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            # A forked child cannot use CUDA after its parent did: start anew, and let each child import.
            setting = replace(self.setting, preload=False)
            os.set_inheritable(self.events, True)
            os.execv(sys.executable, command(setting, self.events))
        gc.collect()
        gc.freeze()

    def _read_commands(self) -> bool:
        chunk = os.read(self.commands, 65536)
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(chunk)

    def _obey(self, order: dict[str, Any]) -> None:
        do = order.pop("do")
        if do == "run":
            assignment = Assignment(**order)
            try:
                self.child = RunningChild(self.setting, assignment, self.run, self.events)
            except OSError as error:
                reason = f"its folder or process could not be made: {error}"
                self._emit_end(
                    assignment, {"state": State.LOST, "objective": None, "reason": reason, "facts": {}}
                )
                return
            self.selector.register(self.child.messages, selectors.EVENT_READ)
        elif self.child is not None and self.child.assignment.trial == order["trial"]:
            if do == "stop":
                self.child.go_on = False
            else:
                self.child.kill(State(order["state"]), order["reason"])

    def _tend_child(self) -> None:
        child = self.child
        if child is None:
            return
        if time.monotonic() >= child.deadline:
            child.kill(State.TIMEOUT, f"ran longer than its limit of {child.assignment.time_limit:g} s")
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        for message in child.read():  # after waitpid, so that nothing of a dead child is missed
            self._hear(child, message)
        if pid:
            self.selector.unregister(child.messages)
            result = child.result(status)
            self.child = None
            write_whole(Path(child.assignment.folder) / "result.json", json.dumps(result, indent=1) + "\n")
            self._emit_end(child.assignment, result)

    def _hear(self, child: RunningChild, message: dict[str, Any]) -> None:
        if "step" in message:
            assignment = child.assignment
            self._emit(
                {"event": "report", "trial": assignment.trial, "attempt": assignment.attempt, **message}
            )
            child.answer()
        elif "facts" in message:
            child.facts.update(message["facts"])
        else:
            child.outcome = message

    def _emit_end(self, assignment: Assignment, result: dict[str, Any]) -> None:
        self._emit({"event": "end", "trial": assignment.trial, "attempt": assignment.attempt, **result})

    def _emit(self, event: dict[str, Any]) -> None:
        data = (json.dumps(event) + "\n").encode()
        while data:
            try:
                data = data[os.write(self.events, data) :]
            except BrokenPipeError:
                return  # the driver is gone; the end of the input will say so

    def _leave(self) -> None:
        if self.child is not None:
            for _ in range(2):  # no grace: nobody is left to hear of it
                self.child.kill(State.PAUSED, "the search ended")
            os.waitpid(self.child.pid, 0)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Let the signal do nothing but wake the selector."""


def command(setting: Setting, events: int | None = None) -> list[str]:
    """Return the command line of a worker with this setting."""
    words = [sys.executable, "-m", "dh_project.worker", json.dumps(asdict(setting))]
    return words if events is None else [*words, str(events)]


def main() -> None:
    """Serve as a worker on standard input and output."""
    setting = Setting(**json.loads(sys.argv[1]))
    if len(sys.argv) > 2:
        events = int(sys.argv[2])
    else:
        events = os.dup(1)
        os.dup2(2, 1)  # what an import prints must not stand among the events
    os.set_inheritable(events, False)
    for folder in setting.search_path:
        if folder not in sys.path:
            sys.path.append(folder)
    os.chdir(setting.directory)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    Worker(setting, 0, events).serve()


if __name__ == "__main__":
    main()
