"""Memory of a trial's processes, and the processes that the system killed for want of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

VMSTAT = Path("/proc/vmstat")
OOM_SCORE = Path("/proc/self/oom_score_adj")

FIRST_TO_GO = 500
"""Score of trials, of at most 1000. If memory runs out, the system kills a trial before the driver or a worker."""


def excess(processes: Iterable[psutil.Process], limit: int) -> int | None:
    """Return the memory that processes hold together if it exceeds a limit, else None.

    Forked processes share pages, which the sum of their resident memory counts several times. If this sum exceeds
    the limit, the proportional memory counts instead: it divides each page among the processes that share it, but
    takes longer to determine.

    Args:
        processes: The processes.
        limit: Limit in bytes.
    """
    processes = list(processes)
    if _sum(processes, _resident) <= limit:
        return None
    held = _sum(processes, _proportional)
    return held if held > limit else None


def offer_to_the_system() -> None:
    """Let the system kill this process and its children first if it runs out of memory."""
    with suppress(OSError, ValueError):  # only Linux has this file
        if int(OOM_SCORE.read_text()) < FIRST_TO_GO:
            OOM_SCORE.write_text(str(FIRST_TO_GO))


def system_kills() -> int:
    """Return how many processes this machine has killed for want of memory since it started."""
    with suppress(OSError):
        for line in VMSTAT.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def gibibytes(size: int) -> str:
    """Return a number of bytes as text, in GiB."""
    return f"{size / 2**30:.2f} GiB"


def _sum(processes: Iterable[psutil.Process], held_by: Callable[[psutil.Process], int]) -> int:
    total = 0
    for process in processes:
        with suppress(psutil.Error):  # it ended meanwhile
            total += held_by(process)
    return total


def _resident(process: psutil.Process) -> int:
    return process.memory_info().rss


def _proportional(process: psutil.Process) -> int:
    held = process.memory_full_info()
    return getattr(held, "pss", held.rss)
