"""Where a search ends, and whether what is left of it is enough for another trial."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

from dh_project.common.errors import UserError
from dh_project.results.ending import Kind
from dh_project.search.settings import DEFAULT_MARGIN, SearchSettings
from dh_project.trial.trial import State, Trial
from dh_project.worker.trial_process import GRACE_SECONDS

FEWEST_FOR_A_SHARE = 10
"""Ended trials before ``--max-failures 0.5`` is judged."""

RECENT_SIGNS = 100
"""First signs of life whose median says how long a trial takes to report."""


PATIENCE_SECONDS = 5.0
"""How long an interrupted trial may take to reach its next report and save what it has, before it is signalled."""

STOP_SECONDS = 15.0
"""How long interrupted trials may take to end; one that does not is left to be started again."""

LAST_SECONDS = 1.5
"""Before the end of the job: nothing is waited for any longer."""

KILL_SECONDS = GRACE_SECONDS + 1.0
"""Before that: a trial that has not reported yet is signalled, and killed after its time of grace."""


@dataclass(frozen=True)
class Limits:
    """Where a search ends.

    Attributes:
        max_evals: Trials in all, over all sessions; None for no such limit.
        timeout: Seconds of search time, over all sessions.
        ends_at: When the job around this session ends, by the monotonic clock.
        margin: Seconds before that at which running trials are interrupted, to go on next time.
        trial_timeout: Seconds after which a trial is killed.
        trial_memory: Bytes above which a trial is killed.
        max_retries: How often a trial whose worker vanished is started again.
        max_failures: Failed trials in a row (from 1 on) or share of failed trials (below 1) that ends a session.
    """

    max_evals: int | None = None
    timeout: float | None = None
    ends_at: float | None = None
    margin: float = DEFAULT_MARGIN
    trial_timeout: float | None = None
    trial_memory: int | None = None
    max_retries: int = 1
    max_failures: float | None = None

    def seconds_left(self, elapsed: float, now: float) -> float:
        """Return how long trials may still run.

        Args:
            elapsed: Seconds of search time.
            now: The monotonic clock.
        """
        return min(self._of_timeout(elapsed), self._of_walltime(now))

    def timeout_binds(self, elapsed: float, now: float) -> bool:
        """Say whether it is the time limit, and not the end of the job, that ends the search."""
        return self._of_timeout(elapsed) <= self._of_walltime(now)

    def patience(self, kind: Kind, now: float) -> tuple[float, float]:
        """Return how long interrupted trials have for their next report, and until when they are waited for.

        Args:
            kind: Why the session ends.
            now: The monotonic clock, by which the second is.
        """
        last = math.inf if self.ends_at is None else self.ends_at - LAST_SECONDS
        if kind == "time" and now >= last + LAST_SECONDS - self.margin:  # which is for them
            return max(0.0, last - now - KILL_SECONDS), last
        return PATIENCE_SECONDS, min(now + STOP_SECONDS, last)

    def _of_timeout(self, elapsed: float) -> float:
        return math.inf if self.timeout is None else self.timeout - elapsed

    def _of_walltime(self, now: float) -> float:
        return math.inf if self.ends_at is None else self.ends_at - self.margin - now


def limits_of(settings: SearchSettings) -> Limits:
    """Return where a search with these settings ends.

    Raises:
        UserError: No time is left of the job's.
    """
    memory = settings.trial_memory
    return Limits(
        max_evals=settings.max_evals,
        timeout=settings.timeout,
        ends_at=None if settings.walltime is None else time.monotonic() + _seconds_of_job(settings),
        margin=settings.margin or Limits.margin,
        trial_timeout=settings.trial_timeout,
        trial_memory=int(memory * 2**30) if memory else None,
        max_retries=settings.max_retries,
        max_failures=settings.max_failures,
    )


def _seconds_of_job(settings: SearchSettings) -> float:
    """Return the seconds until the job around this process ends.

    Raises:
        UserError: They are not more than its margin.
    """
    walltime, margin = settings.walltime or 0.0, settings.margin or Limits.margin
    age = max(0.0, time.time() - psutil.Process().create_time())
    if age >= walltime - margin:
        raise UserError(
            f"--walltime {walltime:g} s: no time is left: this command began {age:.1f} s ago, and the margin is "
            f"{margin:g} s"
        )
    return walltime - age


class FailureCount:
    """Counts the trials that ended in a session, and those of them that failed.

    Attributes:
        ended: All of them.
        failed: Those that failed.
        in_a_row: Those that failed since the last one that did not.
    """

    def __init__(self) -> None:
        self.ended = self.failed = self.in_a_row = 0

    def add(self, trials: Iterable[Trial]) -> None:
        """Count trials, in the order of their ends; one that was lost with its worker did not fail."""
        for trial in trials:
            has_failed = trial.state in (State.FAILED, State.TIMEOUT, State.MEMORY)
            self.ended += 1
            self.failed += has_failed
            self.in_a_row = self.in_a_row + 1 if has_failed else 0

    def exceeding(self, limit: float | None) -> str | None:
        """Return in words that there are as many failures as ``max_failures`` forbids; None where there are not."""
        if limit is None:
            return None
        if limit >= 1:
            return f"{self.in_a_row} trials in a row failed" if self.in_a_row >= limit else None
        if self.ended < FEWEST_FOR_A_SHARE or self.failed <= limit * self.ended:
            return None
        return f"{self.failed} of this session's {self.ended} trials failed"


def seconds_to_report(first_signs: Sequence[float]) -> float:
    """Return how long a trial is expected to run before it reports; 0 while nothing is known."""
    return statistics.median(first_signs[-RECENT_SIGNS:]) if first_signs else 0.0
