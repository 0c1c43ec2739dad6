"""Guard: ends a worker whose driver dies while the worker imports the run function and reads no commands."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dh_project.worker.processes import MARK, kill_marked


@contextmanager
def ending_with_the_driver(commands: int) -> Iterator[None]:
    """Kill this process if its commands end, which means that the driver has died.

    A child process watches the commands. A thread would be blocked by imports that hold the interpreter's lock, and
    its presence would make forking unsafe.

    Args:
        commands: File descriptor of the commands.
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
        with suppress(ChildProcessError):  # the imported code may have waited for all children
            os.waitpid(guard, 0)
        os.close(alive)
        os.close(own_end)


def _watch(commands: int, alive: int) -> None:
    """Wait until the worker or the driver has ended. If it was the driver, kill the worker and its descendants."""
    worker = os.getppid()
    poll = select.poll()
    for descriptor in (commands, alive):
        poll.register(descriptor, 0)  # only ends; the data is for the worker
    if alive not in dict(poll.poll()):
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        kill_marked({os.environ.get(MARK, "")} - {""})
