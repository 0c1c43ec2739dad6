"""A guard for a worker that imports the run function, which may take long, and meanwhile reads no commands."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dh_project.worker.processes import MARK, kill_marked


@contextmanager
def ending_with_the_driver(commands: int) -> Iterator[None]:
    """Let a child process see the end of the commands, by which the driver is known to be gone, and kill this one.

    A process and no thread: no import can hold it up, and none stays behind that would forbid to fork.
    """
    alive, own_end = os.pipe()
    guard = os.fork()
    if guard == 0:
        try:
            os.close(own_end)
            _watch(commands, alive)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(guard, signal.SIGKILL)
        with suppress(ChildProcessError):  # what was imported has waited for it
            os.waitpid(guard, 0)
        os.close(alive)
        os.close(own_end)


def _watch(commands: int, alive: int) -> None:
    """Return when the worker is gone; kill it, and all that carries its mark, where the driver is first."""
    worker = os.getppid()
    poll = select.poll()
    for descriptor in (commands, alive):
        poll.register(descriptor, 0)  # what can be read is not for the guard: it is told of ends alone
    if alive not in dict(poll.poll()):
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        kill_marked({os.environ.get(MARK, "")} - {""})
