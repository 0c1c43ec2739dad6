"""Background processes that outlive a command. Each has a name, and is identified by its pid, start time and host."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, TypeAdapter, ValidationError

from dh_project.common.errors import UserError, one_line
from dh_project.common.files import write_whole

SAME_START = 2.0
"""Seconds by which two readings of a process's start may differ, if the clock was set in between."""

POLL_SECONDS = 0.1

KILL_SECONDS = 5.0


class Mark(BaseModel):
    """The identity of a process.

    Attributes:
        host: Its host.
        pid: Its pid, which another process may have later.
        created: Its start in seconds since 1970.
    """

    host: str
    pid: int
    created: float


MARKS = TypeAdapter(dict[str, Mark])


class Daemons:
    """The background processes of one folder.

    Args:
        file: File that holds their identities.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def process(self, name: str) -> psutil.Process | None:
        """Return the process with a name, if it is alive on this host."""
        mark = self._marks().get(name)
        if mark is None or mark.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(mark.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process if abs(process.create_time() - mark.created) < SAME_START else None
        except psutil.Error:
            return None

    def elsewhere(self) -> str | None:
        """Return another host on which a process was started and not stopped, if there is one."""
        return next((mark.host for mark in self._marks().values() if mark.host != socket.gethostname()), None)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
    ) -> psutil.Process:
        """Start a process in a session of its own, with its standard error in a log.

        Raises:
            UserError: The process cannot be started.
        """
        with log.open("ab") as file:
            log.chmod(0o600)
            try:
                started = subprocess.Popen(
                    [str(word) for word in command],
                    env=dict(environment),
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=file,
                    start_new_session=True,
                )
            except OSError as error:
                raise UserError(f"{command[0]}: cannot be started ({error.strerror})") from None
        process = psutil.Process(started.pid)
        mark = Mark(host=socket.gethostname(), pid=process.pid, created=process.create_time())
        self._write({**self._marks(), name: mark})
        return process

    def wait(
        self, process: psutil.Process, is_ready: Callable[[], bool], what: str, log: Path, seconds: float
    ) -> None:
        """Wait until a started process is ready.

        Raises:
            UserError: The process ended, or is not ready in time.
        """
        limit = time.monotonic() + seconds
        while not is_ready():
            if not _lives(process):
                raise UserError(f"{what} ended while it was started: {last_line(log)}; see {log}")
            if time.monotonic() > limit:
                raise UserError(f"{what} does not answer after {seconds:.0f} s; see {log}")
            time.sleep(POLL_SECONDS)

    def stop(self, name: str, number: signal.Signals, seconds: float) -> bool:
        """End a process, and kill it if it does not end; return whether it ran."""
        process = self.process(name)
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            if not _ends(
                process, seconds
            ):  # its children end by themselves; batch jobs among them must not be killed
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                _ends(process, KILL_SECONDS)
        self._write({other: mark for other, mark in self._marks().items() if other != name})
        return process is not None

    def _marks(self) -> dict[str, Mark]:
        try:
            return MARKS.validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return {}

    def _write(self, marks: dict[str, Mark]) -> None:
        if marks != self._marks():
            write_whole(self._file, MARKS.dump_json(marks, indent=1).decode() + "\n")


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4000))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return one_line(lines[-1])[:200] if lines else "it said nothing"


def _ends(process: psutil.Process, seconds: float) -> bool:
    """Wait for the end of a process, which need not be a child; return whether it ended."""
    limit = time.monotonic() + seconds
    while _lives(process):
        if time.monotonic() > limit:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
