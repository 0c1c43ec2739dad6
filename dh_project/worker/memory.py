"""Memory: what processes hold together, and what the system does where there is none left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

VMSTAT = Path("/proc/vmstat")
OOM_SCORE = Path("/proc/self/oom_score_adj")

FIRST_TO_GO = 500
"""Of 1000: where memory runs out, the system kills a trial rather than the driver or a worker."""


def excess(processes: Iterable[psutil.Process], limit: int) -> int | None:
    """Return the bytes that processes hold together where these are more than the limit.

    Forked processes share pages, which the sum of their resident memory counts many times. Only where that sum is
    above the limit is each page divided by those who share it, for that takes the system longer to tell.
    """
    processes = list(processes)
    if _sum(processes, _resident) <= limit:
        return None
    held = _sum(processes, _proportional)
    return held if held > limit else None


def offer_to_the_system() -> None:
    """Let this process and those it will start be the first to go where the system runs out of memory."""
    with suppress(OSError, ValueError):  # there is no such file but on Linux
        if int(OOM_SCORE.read_text()) < FIRST_TO_GO:
            OOM_SCORE.write_text(str(FIRST_TO_GO))


def system_kills() -> int:
    """Return how many processes this machine has killed since it started because memory ran out."""
    with suppress(OSError):
        for line in VMSTAT.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def gibibytes(size: int) -> str:
    """Return a number of bytes in words."""
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
