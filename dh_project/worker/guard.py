"""Guard: the parent of a worker. If one of the two dies, the other one ends all processes of the worker's trials.

The guard and the worker adopt processes whose parent has died (Linux calls this a subreaper). A program that a trial
started therefore always stays below one of them, also if it began a session of its own or cleaned its environment.

The guard also watches the commands of the worker. If they end while the worker imports the run function, the driver
has died and the worker cannot know it: the guard kills the worker. Later the worker reads its commands itself, and
has time to save what its trial wrote.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn

from dh_project.worker.processes import MARK, kill_descendants, kill_marked
from dh_project.worker.remains import end_remains, remove_note

STOPPED_SECONDS = 30.0
"""Seconds after which a worker that somebody has stopped (SIGSTOP) is killed: it enforces no limit of its trial."""

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Guarded:
    """The guard as its worker sees it.

    Args:
        alive: File descriptor that ends when the guard dies.
        serving: File descriptor that tells the guard that the worker reads its commands.
        adopter: Id of the process that adopts the worker's processes if the guard dies too.
    """

    def __init__(self, alive: int, serving: int, adopter: int) -> None:
        self.alive, self.serving, self.adopter = alive, serving, adopter

    def import_has_ended(self) -> None:
        """From now on, leave the end of the driver and of the guard to the worker."""
        os.write(self.serving, b"1")
        _call_prctl(PR_SET_PDEATHSIG, 0)


def begin(search: str, commands: int) -> Guarded:
    """Fork. The parent becomes the guard and does not return; the child returns as the worker.

    Args:
        search: Folder of the search, or an empty text.
        commands: File descriptor of the worker's commands.
    """
    adopter = _adopter()
    adopt_orphans()
    alive, guards_end = os.pipe()
    told, serving = os.pipe()
    guard = os.getpid()
    worker = os.fork()
    if worker:
        os.close(alive)
        os.close(serving)
        _guard(worker, commands, told, search)
    os.close(guards_end)
    os.close(told)
    adopt_orphans()
    _call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:  # it has died already
        os._exit(1)
    return Guarded(alive, serving, adopter)


def _adopter() -> int:
    """Return which process adopts a descendant of this one whose parent has died: try it."""
    answer, say = os.pipe()
    parent = os.fork()
    if parent == 0:
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent:
                time.sleep(0.0005)
            os.write(say, str(os.getppid()).encode())
        os._exit(0)
    os.close(say)
    os.waitpid(parent, 0)
    adopter = int(os.read(answer, 20))
    os.close(answer)
    return adopter


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, so that they are found and killed."""
    _call_prctl(PR_SET_CHILD_SUBREAPER, 1)


def _guard(worker: int, commands: int, told: int, search: str) -> NoReturn:
    """Wait for the worker's end, end what it left behind, and end as it did."""
    status = 1
    try:
        status = _watch(worker, commands, told)
        kill_descendants()
        if sys.platform != "linux":
            kill_marked({os.environ[MARK]})
        remove_note(search, os.environ[MARK])
        end_remains(search)
    finally:
        _end_as(status)


def _watch(worker: int, commands: int, told: int) -> int:
    """Wait until the worker has ended, and return its status.

    Kill it if the driver dies during the import, or if it stays stopped. If all of a job is stopped, so is the guard:
    only the time in which the guard runs counts.
    """
    stopped_at: float | None = None
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(commands, 0)  # only its end; the data is for the worker
    while True:
        with suppress(ChildProcessError):
            while (changed := os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED))[0]:
                if changed[0] != worker:
                    continue
                if os.WIFSTOPPED(changed[1]):
                    stopped_at = time.monotonic()
                elif os.WIFCONTINUED(changed[1]):
                    stopped_at = None
                else:
                    return changed[1]
        ready = dict(poll.poll(None if stopped_at is None else 1000 * STOPPED_SECONDS))
        if not ready and stopped_at is not None and time.monotonic() - stopped_at >= STOPPED_SECONDS:
            os.kill(worker, signal.SIGKILL)
        if wake in ready:
            os.read(wake, 4096)
        if commands in ready:
            poll.unregister(commands)
            if not select.select([told], [], [], 0)[0]:
                os.kill(worker, signal.SIGKILL)


def _end_as(status: int) -> NoReturn:
    """End with the exit status or the signal of another process."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the worker has left its memory image
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)


def _call_prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)
