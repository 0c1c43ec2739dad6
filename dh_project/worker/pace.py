"""The pace of a trial's reports. Each is a record in the journal, so a loop without a pause would fill the disk."""

from __future__ import annotations

import time
from collections.abc import Callable

FREE = 10_000
"""Reports that a trial may send as fast as it can."""

SECONDS = 0.01
"""Least seconds between two later reports."""


class Pace:
    """Lets a trial's first reports pass at once, and each later one a moment after the one before.

    No report is dropped, because a stopper needs all of them to decide the same in each run.

    Args:
        sleep: Waits for some seconds.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep, self._clock = sleep, clock
        self._count, self._next = 0, 0.0

    def keep(self) -> None:
        """Wait until the next report may be sent."""
        self._count += 1
        if self._count <= FREE:
            return
        if self._count == FREE + 1:
            print(
                f"more than {FREE} reports: from now on report() takes {SECONDS:g} s; report less often",
                flush=True,
            )
        if (wait := self._next - self._clock()) > 0:
            self._sleep(wait)
        self._next = self._clock() + SECONDS
