"""A stock of proposals, which a thread fills while the workers are busy.

With one worker there is no stock: every proposal uses all results, and an interrupted search proposes the same points
as an uninterrupted one. With several workers the stock is small. It is replaced as new results arrive, and its size
follows the demand.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from threading import Thread
from typing import NamedTuple

from dh_project.common.errors import one_line
from dh_project.hps.searchers.base import Searcher
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.warm_start import on_one_scale
from dh_project.results.history import History
from dh_project.results.replicates import one_for_each_point
from dh_project.trial.trial import STAND_IN, Point, Trial

log = logging.getLogger("dh_project")

MOST_AT_ONCE = 256
"""Largest number of points that are proposed at once, if many slots are free."""

MOST_AHEAD = 8
"""Largest number of points in stock. With many more, regret rises (``benchmarks/search``)."""

REST = 9.0
"""A full stock is replaced only after this many times the duration of the last replacement."""


class Proposal(NamedTuple):
    """A proposed point, and the name of its searcher."""

    point: Point
    origin: str


Work = Callable[[], list[Proposal]]


class Made(NamedTuple):
    """New proposals, and the seconds that the searcher took."""

    proposals: list[Proposal]
    seconds: float


class Proposals:
    """A stock of proposals.

    Args:
        searcher: Proposes the points.
        num_workers: Number of trials at a time.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, searcher: Searcher, num_workers: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.searcher = searcher
        self._most_ahead = MOST_AHEAD if searcher.learns and num_workers > 1 else 0
        self._clock = clock
        self._stock: list[Proposal] = []
        self._future: Future[Made] | None = None
        self._told = 0
        self._taken = 0  # since the last replacement began
        self._began, self._took = -math.inf, 0.0

    def take(self) -> Proposal | None:
        """Remove a proposal from the stock and return it; None if the stock is empty."""
        self._collect()
        if not self._stock:
            return None
        self._taken += 1
        return self._stock.pop(0)

    def tend(self, number: int, free: int, history: History) -> None:
        """Start to replace the stock if it is empty, or if it is outdated.

        Args:
            number: Number of the next proposal.
            free: Number of slots that wait for a point.
            history: The state of the search.
        """
        self._collect()
        if self._future is not None:
            return
        since = self._clock() - self._began
        period = (1 + REST) * self._took
        is_short = not self._stock and (free > 0 or self._most_ahead > 0)
        is_stale = self._most_ahead > 0 and since >= period and history.results > self._told
        if not (is_short or is_stale):
            return
        ahead = max(1, math.ceil(1.5 * self._taken * period / since)) if since > 0 else 1
        count = min(free + min(ahead, self._most_ahead), MOST_AT_ONCE)
        self._told, self._taken, self._began = history.results, 0, self._clock()
        stock = [Trial(-1, point, origin) for point, origin in self._stock]  # may be taken meanwhile
        pending = [*history.running.values(), *history.paused.values(), *stock]
        resting = history.parked.values() if self.searcher.learns else ()
        parked = [replace(trial, reports=list(trial.reports)) for trial in resting]
        ended = one_for_each_point(history.ended) if history.replicates else history.ended
        known, ended = history.known, [*ended, *parked]
        self._future = self._start(lambda: make(self.searcher, number, count, known, ended, pending))

    def wait(self, seconds: float) -> None:
        """Wait at most so many seconds for proposals that are being made."""
        if self._future is not None:
            wait([self._future], seconds)

    def _collect(self) -> None:
        """Replace the stock by the newly made proposals, if they are ready."""
        if self._future is not None and self._future.done():
            self._stock, self._took = self._future.result()
            self._future = None

    def _start(self, work: Work) -> Future[Made]:
        """Run work in a daemon thread, or at once if the searcher is fast."""
        future: Future[Made] = Future()

        def do() -> None:
            began = self._clock()
            try:
                future.set_result(Made(work(), self._clock() - began))
            except BaseException as error:
                future.set_exception(error)

        if self.searcher.learns:
            Thread(target=do, daemon=True).start()
        else:
            do()
        return future


def make(
    searcher: Searcher,
    number: int,
    count: int,
    known: Sequence[Trial],
    ended: Sequence[Trial],
    pending: Sequence[Trial],
) -> list[Proposal]:
    """Return proposals. If the searcher fails, they are random, so that the search continues. The summary says so.

    Args:
        searcher: Proposes the points.
        number: Number of the first proposal.
        count: Number of proposals.
        known: Trials of other searches.
        ended: Ended trials of this search.
        pending: Trials of this search without an objective yet: running, interrupted or in stock.
    """
    try:
        final = [trial for trial in ended if trial.state.has_ended]
        told = [*on_one_scale(searcher.cube, known, final), *ended] if known else ended
        points, origin = searcher.propose(number, count, told, pending), searcher.name
    except Exception as error:
        log.warning(
            "proposal %d: %s failed, so that the point is random: %s",
            number,
            searcher.name,
            one_line(repr(error)),
            exc_info=not isinstance(error, ValueError),  # a fit that failed needs no traceback
        )
        points = RandomSearcher(searcher.problem, searcher.seed).propose(number, count, ended, pending)
        origin = STAND_IN
    return [Proposal(point, origin) for point in points]
