"""The processes of a trial: descendants of its worker, and processes that only the worker's mark identifies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

MARK = "DH_PROJECT_WORKER"
"""Environment variable of a worker and its descendants. Its value is a random id of the worker."""

LONGEST_KILL = 1.0
"""Seconds for which a kill is repeated if processes start others or cannot die."""


def descendants() -> list[psutil.Process]:
    """Return the living processes below this one."""
    own = Path("/proc/self/task")
    if not any(own.glob("*/children")):  # only some Linux kernels list children: else look at all processes
        found = psutil.Process().children(recursive=True)
    else:
        ids, queue = [], [os.getpid()]
        while queue:
            ids += (below := _children(queue.pop()))
            queue += below
        found = [process for pid in ids if (process := _process(pid))]
    return [process for process in found if _is_alive(process)]


def kill_descendants() -> None:
    """Kill all processes below this one, including those that they start meanwhile."""
    end_all(descendants, _kill)


def kill_marked(marks: Collection[str]) -> None:
    """Kill all other processes that carry one of the marks, wherever they are in the process tree."""
    own = os.getpid()
    end_all(
        lambda: [each for each in psutil.process_iter() if each.pid != own and _mark(each) in marks], _kill
    )


def end_all(find: Callable[[], list[T]], kill: Callable[[T], None]) -> None:
    """Kill processes until none is found, because they may start others meanwhile.

    Args:
        find: Returns the living processes.
        kill: Kills one of them.
    """
    limit = time.monotonic() + LONGEST_KILL
    while (found := find()) and time.monotonic() < limit:
        for process in found:
            kill(process)
        time.sleep(0.002)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.kill()


def _children(pid: int) -> list[int]:
    ids: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it ended meanwhile
            ids += map(int, thread.read_text().split())
    return ids


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):  # another user's, or it ended meanwhile
        return None
