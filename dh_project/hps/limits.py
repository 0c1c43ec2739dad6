"""The conditions that end a search, and the estimate whether another trial can report in time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psutil

from dh_project.common.errors import UserError
from dh_project.hps.criteria import Criteria
from dh_project.hps.settings import DEFAULT_MARGIN, SearchSettings
from dh_project.results.ending import Kind
from dh_project.trial.trial import State, Trial
from dh_project.worker.trial_process import GRACE_SECONDS

FEWEST_FOR_A_SHARE = 10
"""Fewest ended trials for a limit such as ``--max-failures 0.5``."""

RECENT_SIGNS = 100
"""Number of latest first reports whose median is the expected time to report."""


PATIENCE_SECONDS = 5.0
"""Time for an interrupted trial to reach its next report and save its state, before it gets a signal."""

STOP_SECONDS = 15.0
"""Longest wait for interrupted trials to end. The next session starts the remaining ones again."""

LAST_SECONDS = 1.5
"""Time before the end of the job from which the search waits for nothing."""

KILL_SECONDS = GRACE_SECONDS + 1.0
"""Time before that at which a trial that has not reported gets a signal; it is killed after its grace period."""


@dataclass(frozen=True)
class Limits:
    """The conditions that end a search or a trial. None means no limit.

    Attributes:
        max_evals: Number of points, over all sessions.
        replicates: Number of trials of each point.
        timeout: Seconds of search time, over all sessions.
        ends_at: End of the job around this session, by the monotonic clock.
        margin: Seconds before the end of the job at which running trials are interrupted.
        trial_timeout: Seconds after which a trial is killed.
        trial_memory: Bytes above which a trial is killed.
        max_retries: How often a trial is started again if its worker is lost.
        max_failures: Failed trials in a row (1 or more), or share of failed trials (below 1).
        criteria: What ends a trial or the search from reports and objectives.

    Example:
        >>> Limits(timeout=60.0).seconds_left(elapsed=45.0, now=0.0)
        15.0
    """

    max_evals: int | None = None
    replicates: int = 1
    timeout: float | None = None
    ends_at: float | None = None
    margin: float = DEFAULT_MARGIN
    trial_timeout: float | None = None
    trial_memory: int | None = None
    max_retries: int = 1
    max_failures: float | None = None
    criteria: Criteria = field(default_factory=Criteria)

    @property
    def end_the_search(self) -> bool:
        """Whether any of them ends the search."""
        criteria = self.criteria
        ends = self.max_evals, self.timeout, self.ends_at, criteria.patience_epochs, criteria.max_epochs_total
        return any(each is not None for each in ends)

    @property
    def max_trials(self) -> int | None:
        """Number of trials of all points, over all sessions."""
        return None if self.max_evals is None else self.max_evals * self.replicates

    def seconds_left(self, elapsed: float, now: float) -> float:
        """Return the seconds that trials may still run; infinite without a limit of time.

        Args:
            elapsed: Seconds of search time.
            now: Present time by the monotonic clock.
        """
        return min(self._of_timeout(elapsed), self._of_walltime(now))

    def timeout_binds(self, elapsed: float, now: float) -> bool:
        """Return whether the time limit ends the search before the end of the job does."""
        return self._of_timeout(elapsed) <= self._of_walltime(now)

    def patience(self, kind: Kind, now: float) -> tuple[float, float]:
        """Return how long the search waits for interrupted trials.

        Args:
            kind: Why the session ends.
            now: Present time by the monotonic clock.

        Returns:
            The seconds for their next report, and the time by the monotonic clock until which they may end.
        """
        last = math.inf if self.ends_at is None else self.ends_at - LAST_SECONDS
        if kind == "time" and now >= last + LAST_SECONDS - self.margin:  # the margin is meant for them
            return max(0.0, last - now - KILL_SECONDS), last
        return PATIENCE_SECONDS, min(now + STOP_SECONDS, last)

    def _of_timeout(self, elapsed: float) -> float:
        return math.inf if self.timeout is None else self.timeout - elapsed

    def _of_walltime(self, now: float) -> float:
        return math.inf if self.ends_at is None else self.ends_at - self.margin - now


def limits_of(settings: SearchSettings) -> Limits:
    """Return the limits of a search with these settings.

    Raises:
        UserError: The job has no time left.
    """
    memory = settings.trial_memory
    return Limits(
        max_evals=settings.max_evals,
        replicates=settings.replicates,
        timeout=settings.timeout,
        ends_at=None if settings.walltime is None else time.monotonic() + _seconds_of_job(settings),
        margin=settings.margin or Limits.margin,
        trial_timeout=settings.trial_timeout,
        trial_memory=int(memory * 2**30) if memory else None,
        max_retries=settings.max_retries,
        max_failures=settings.max_failures,
        criteria=Criteria.of(settings),
    )


def _seconds_of_job(settings: SearchSettings) -> float:
    """Return the seconds until the job around this process ends.

    Raises:
        UserError: The margin is not smaller.
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
    """Counts the ended and the failed trials of a session.

    Attributes:
        ended: Number of ended trials.
        failed: Number of failed trials.
        in_a_row: Number of failed trials since the last successful one.
    """

    def __init__(self) -> None:
        self.ended = self.failed = self.in_a_row = 0

    def add(self, trials: Iterable[Trial]) -> None:
        """Count trials, in the order of their ends. A trial whose worker was lost does not count as failed."""
        for trial in trials:
            has_failed = trial.state in (State.FAILED, State.TIMEOUT, State.MEMORY)
            self.ended += 1
            self.failed += has_failed
            self.in_a_row = self.in_a_row + 1 if has_failed else 0

    def exceeding(self, limit: float | None) -> str | None:
        """Return a text if there are more failures than ``max_failures`` allows; otherwise None."""
        if limit is None:
            return None
        if limit >= 1:
            return f"{self.in_a_row} trials in a row failed" if self.in_a_row >= limit else None
        if self.ended < FEWEST_FOR_A_SHARE or self.failed <= limit * self.ended:
            return None
        return f"{self.failed} of this session's {self.ended} trials failed"


def seconds_to_report(first_signs: Sequence[float]) -> float:
    """Return the expected seconds until a trial reports; 0 if no trial has reported.

    >>> seconds_to_report([4.0, 6.0, 5.0])
    5.0
    """
    return statistics.median(first_signs[-RECENT_SIGNS:]) if first_signs else 0.0
