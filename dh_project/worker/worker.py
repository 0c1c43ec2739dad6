"""The worker: a process that runs one trial at a time, each in a child process of its own.

All evaluators run trials here, so that one place handles all the ways in which a trial can die. The worker imports
the run function once and forks a child for each trial, which costs milliseconds. It reads commands as JSON lines
from its standard input and writes events as JSON lines to its standard output. If the input ends, the driver is
gone: the worker kills its trial and exits, even during the import (``guard``). The child leads a process group of
its own, writes to ``log.txt`` in the attempt's folder, and uses two pipes: one for its messages (reports, facts, the
result), one for the answers.

    commands   {"do": "run", "trial": 3, "attempt": 1, "point": {…}, "folder": "…", …}
               {"do": "stop", "trial": 3, "attempt": 1, "after": 2}
               {"do": "kill", "trial": 3, "attempt": 1, "state": "paused", "reason": "…", "patience": 60.0}
    events     {"event": "ready"}   {"event": "report", "trial": 3, "attempt": 1, "step": 1, "objective": 0.4}
               {"event": "end", "state": "done", "objective": 0.5, "reason": null, "cause": null, "facts": {…}, …}
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

from dh_project.common.files import write_whole
from dh_project.common.json_lines import Lines
from dh_project.trial.attempt import RESULT, Assignment, RunContext
from dh_project.trial.scratch import VARIABLE
from dh_project.trial.trial import State
from dh_project.worker.attempt_result import without_objective
from dh_project.worker.guard import Guarded, begin
from dh_project.worker.imported_run import ImportedRun
from dh_project.worker.processes import MARK, kill_descendants
from dh_project.worker.remains import end_remains, remove_note, write_note
from dh_project.worker.scratch import Scratch
from dh_project.worker.trial_log import OutputPipe
from dh_project.worker.trial_process import TrialProcess

LONGEST_WAIT = 3600.0
"""Longest wait in seconds, because ``select`` does not accept arbitrarily large numbers."""

DRIVER_SECONDS = 1.0
"""Seconds in which the driver of a killed guard shows that it is dead too."""

CLOSED = -1

START = "import sys; sys.path.append(sys.argv[1]); from dh_project.worker.worker import main; main()"
"""Program of the worker. With ``python -P``, no file of the working directory can hide a module."""


class Worker:
    """Carries out commands until its input ends.

    Args:
        context: What all trials share.
        commands: File descriptor to read commands from.
        events: File descriptor to write events to.
        guarded: The guard of this worker.
    """

    def __init__(self, context: RunContext, commands: int, events: int, guarded: Guarded) -> None:
        self.context = context
        self.commands, self.events, self.guarded = commands, events, guarded
        self.process: TrialProcess | None = None
        self.imported = ImportedRun(context)
        self.scratch = Scratch(context.scratch)
        self._lines = Lines()
        self._is_noted = False

    def serve(self) -> None:
        """Run trials until the driver closes the input."""
        end_remains(self.context.folder)
        os.register_at_fork(after_in_child=self._close_events)
        self._preload()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.commands, selectors.EVENT_READ)
        self.selector.register(self.guarded.alive, selectors.EVENT_READ)
        self.guarded.import_has_ended()
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, _ignore)
        self.selector.register(wake, selectors.EVENT_READ)
        self.output, self._listens = OutputPipe(), False
        self._emit({"event": "ready"})
        while True:
            limit = self._deadline() - time.monotonic()
            ready = self.selector.select(min(max(0.0, limit), LONGEST_WAIT))
            for key, _ in ready:
                if key.fd == wake:
                    os.read(wake, 4096)
                elif key.fd == self.guarded.alive:
                    self._leave_without_guard()
                    return
                elif key.fd == self.output.reader:
                    self._read_output()
                elif key.fd == self.commands and not self._read_commands():
                    self._leave()
                    return
            self._listen()
            self._tend()

    def _leave(self) -> None:
        """End everything. If the result of the trial has come, write it for the next driver to find."""
        if self.process is not None:
            self.process.abandon()
            self._tend()
        self.scratch.close()
        kill_descendants()
        _reap(None)  # in a container, there may be no init process that does

    def _leave_without_guard(self) -> None:
        """End everything after the guard was killed. If the driver lives, this is the death of a worker to it."""
        if self.process is not None:
            self.process.abandon()
        ended = select.poll()
        ended.register(self.commands, 0)
        if ended.poll(1000 * DRIVER_SECONDS):
            self._leave()
        kill_descendants()
        remove_note(self.context.folder, os.environ[MARK])
        end_remains(self.context.folder)

    def _close_events(self) -> None:
        """Close the events in a child, so that the driver notices the worker's end while the child lives."""
        if self.events != CLOSED:  # otherwise this is a child of a child
            os.close(self.events)
            self.events = CLOSED

    def _preload(self) -> None:
        """Import the run function for all children. If that fails, each child imports it and reports the error."""
        if not self.context.preload:
            return
        try:
            self.imported.load()
        except (Exception, SystemExit):
            return
        if not self.imported.is_fit_for_forks():
            guarded = self.guarded
            kept = (self.commands, self.events, guarded.alive, guarded.serving)
            with sent(replace(self.context, preload=False)) as file:
                for descriptor in (file, *kept):
                    os.set_inheritable(descriptor, True)
                os.execv(sys.executable, command(file, *kept, guarded.adopter))
        self.imported.prepare_for_forks()

    def _read_commands(self) -> bool:
        chunk = os.read(self.commands, 65536)
        for order in self._lines.feed(chunk):
            self._obey(order)
        return bool(chunk)

    def _obey(self, order: dict[str, Any]) -> None:
        do = order.pop("do")
        if do == "run":
            self._start(Assignment(**order))
        elif self.process is None or order["trial"] != self.process.assignment.trial:
            return  # it has ended by itself
        elif order["attempt"] != self.process.assignment.attempt:
            return
        elif do == "stop":
            self.process.stop(order["after"])
        else:
            patience = max(0.0, order["patience"] - self.scratch.seconds)
            self.process.kill(State(order["state"]), order["reason"], patience)

    def _start(self, assignment: Assignment) -> None:
        if not self._is_noted:
            write_note(self.context.folder, self.context.scratch, self.guarded.adopter, self.output.name)
            self._is_noted = True
        try:
            self.process = TrialProcess(self.imported, self.scratch.begin(assignment), self.output)
        except OSError as error:
            end = without_objective(State.LOST, f"its folder or process could not be made: {error}")
            self._tell("end", assignment, {**self.scratch.end({**end, "facts": {}}), "rank": assignment.rank})
            return
        self.scratch.began()
        self.selector.register(self.process.messages, selectors.EVENT_READ)

    def _deadline(self) -> float:
        """Return the time of the monotonic clock at which something is due, whatever comes."""
        limit = self.process.deadline if self.process else time.monotonic() + LONGEST_WAIT
        return limit if self._listens else min(limit, self.output.rests_until)

    def _read_output(self) -> None:
        """Copy the output of a trial, and leave further output in the pipe for a moment."""
        if self.process is not None:
            self.process.log.read()
        else:
            self.output.read()
        self.selector.unregister(self.output.reader)
        self._listens = False

    def _listen(self) -> None:
        """Look for output again after the moment."""
        if not self._listens and time.monotonic() >= self.output.rests_until:
            self.selector.register(self.output.reader, selectors.EVENT_READ)
            self._listens = True

    def _tend(self) -> None:
        """Read the messages of the running trial, enforce its limits, and handle its end."""
        process = self.process
        if process is None:
            _reap(None)
            return
        status = _reap(process.pid)
        if not process.is_silent:
            for report in process.read():  # after reaping, so that no message of a dead child is missed
                if process.assignment.rank == 0:
                    self._tell("report", process.assignment, report)
            if process.is_silent:
                self.selector.unregister(process.messages)
        if status is None:
            if time.monotonic() >= process.deadline:
                process.hold_to_limits()
        else:
            if not process.is_silent:  # a grandchild still holds the pipe
                self.selector.unregister(process.messages)
            self.process = None
            result = self.scratch.end(process.result(status))
            with suppress(OSError):  # the folder may be gone or full; the event has the same content
                content = _as_json(process.assignment, {**result, "last_report": process.last_report})
                write_whole(Path(process.assignment.folder) / RESULT, content)
            process.remove_older_checkpoints()
            self._tell("end", process.assignment, {**result, "rank": process.assignment.rank})

    def _tell(self, event: str, assignment: Assignment, more: dict[str, Any]) -> None:
        self._emit({"event": event, "trial": assignment.trial, "attempt": assignment.attempt, **more})

    def _emit(self, event: dict[str, Any]) -> None:
        data = (json.dumps(event) + "\n").encode()
        while data:
            try:
                data = data[os.write(self.events, data) :]
            except BrokenPipeError:
                return  # the driver is gone; the input will end too


def _as_json(assignment: Assignment, result: dict[str, Any]) -> str:
    """Return the content of an attempt's result file; its point distinguishes it from those of other searches."""
    of = {name: getattr(assignment, name) for name in ("trial", "attempt", "rank", "world_size", "point")}
    return json.dumps({**of, **result}, indent=1) + "\n"


def _reap(pid: int | None) -> int | None:
    """Collect all dead children, including adopted ones; return the exit status of ``pid`` if it is among them."""
    status_of_pid = None
    with suppress(ChildProcessError):
        while (dead := os.waitpid(-1, os.WNOHANG))[0]:
            if dead[0] == pid:
                status_of_pid = dead[1]
    return status_of_pid


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal only wakes the selector."""


@contextmanager
def sent(context: RunContext) -> Iterator[int]:
    """Yield a file descriptor from which a worker reads its context.

    A command line would show run-kwargs, which may hold a password, to all users of the machine.
    """
    with _unnamed_file() as file:
        file.write(json.dumps(asdict(context)).encode())
        file.flush()
        yield file.fileno()


def _unnamed_file() -> IO[bytes]:
    """Return a file that only this process and its children can open, in memory if the system can."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("run-context"), "w+b")
    return tempfile.TemporaryFile()


def command(context: int, *known: int) -> list[str]:
    """Return the command line of a worker.

    Args:
        context: File descriptor from which the worker reads its context.
        *known: Descriptors of the commands, the events and the guard, and its adopter, if the worker starts itself
            again. Otherwise it uses standard input and output, and gets a guard.
    """
    package_home = str(Path(__file__).parents[2])
    return [sys.executable, "-P", "-c", START, package_home, str(context), *map(str, known)]


def main() -> None:
    """Serve as a worker on standard input and output."""
    with open(int(sys.argv[2]), "rb") as file:  # noqa: PTH123 (a descriptor)
        file.seek(0)
        context = RunContext(**json.load(file))
    for number in (signal.SIGINT, signal.SIGTERM):  # the driver handles these
        signal.signal(number, signal.SIG_IGN)
    if len(sys.argv) > 3:
        commands, events, alive, serving, adopter = map(int, sys.argv[3:])
        guarded = Guarded(alive, serving, adopter)
        for descriptor in (commands, events, alive, serving):
            os.set_inheritable(descriptor, False)
    else:  # move them from 0 and 1, because imported code may read and print
        commands, events = os.dup(0), os.dup(1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        guarded = begin(context.folder, commands)
    if context.scratch:
        os.environ[VARIABLE] = context.scratch
    for folder in context.search_path:
        if folder not in sys.path:
            sys.path.append(folder)
    os.chdir(context.directory)
    Worker(context, commands, events, guarded).serve()
    os._exit(0)  # imported code must not delay the exit
