"""Points made ahead of time: while the workers are busy, a thread asks the searcher for the next ones.

With one worker nothing is made ahead: every proposal knows all results, and a search that was interrupted gives
the points of one that was not. With several, a small stock stands ready; it is made anew from what is known as
results arrive, and grows to what is taken from it meanwhile.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from threading import Thread
from typing import NamedTuple

from dh_project.results.history import History
from dh_project.search.searchers.base import Searcher
from dh_project.search.searchers.random import RandomSearcher
from dh_project.search.warm_start import on_one_scale
from dh_project.trial.trial import Point, Trial

log = logging.getLogger("dh_project")

MOST_AT_ONCE = 256
"""Points made at once, where so many slots are free."""

MOST_AHEAD = 8
"""Points made ahead of time from one state of knowledge: with many more, regret rises (benchmarks/search)."""

REST = 9.0
"""While the stock is full, it is made anew at most after this many times the time that the last making took."""


class Proposal(NamedTuple):
    """A point, and who proposed it."""

    point: Point
    origin: str


Work = Callable[[], list[Proposal]]


class Made(NamedTuple):
    """Proposals, and the seconds that it took to make them."""

    proposals: list[Proposal]
    seconds: float


class Proposals:
    """Keeps proposals at hand.

    Args:
        searcher: Makes them.
        num_workers: Trials at a time.
        clock: Seconds.
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
        self._taken = 0  # since the last making began
        self._began, self._took = -math.inf, 0.0

    def take(self) -> Proposal | None:
        """Return a proposal, if there is one."""
        self._collect()
        if not self._stock:
            return None
        self._taken += 1
        return self._stock.pop(0)

    def tend(self, number: int, free: int, history: History) -> None:
        """Begin to make proposals, where that is due.

        Args:
            number: Of the next proposal.
            free: Slots that wait for a point.
            history: What is known.
        """
        self._collect()
        if self._future is not None:
            return
        since = self._clock() - self._began
        period = (1 + REST) * self._took
        is_short = not self._stock and (free > 0 or self._most_ahead > 0)
        is_stale = self._most_ahead > 0 and since >= period and len(history.ended) > self._told
        if not (is_short or is_stale):
            return
        ahead = max(1, math.ceil(1.5 * self._taken * period / since)) if since > 0 else 1
        count = min(free + min(ahead, self._most_ahead), MOST_AT_ONCE)
        self._told, self._taken, self._began = len(history.ended), 0, self._clock()
        stock = [Trial(-1, point, origin) for point, origin in self._stock]  # may be taken meanwhile
        pending = [*history.running.values(), *history.paused.values(), *stock]
        known, ended = history.known, list(history.ended)
        self._future = self._start(lambda: make(self.searcher, number, count, known, ended, pending))

    def wait(self, seconds: float) -> None:
        """Wait for proposals that are being made."""
        if self._future is not None:
            wait([self._future], seconds)

    def _collect(self) -> None:
        """Put what was made in the place of what was left."""
        if self._future is not None and self._future.done():
            self._stock, self._took = self._future.result()
            self._future = None

    def _start(self, work: Work) -> Future[Made]:
        """Do work in a thread, which does not keep the process from leaving; at once where that is quicker."""
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
    """Return proposals; random ones where the searcher fails, for a search must go on.

    Args:
        searcher: Makes them.
        number: Of the first proposal.
        count: How many.
        known: Trials of other searches.
        ended: Trials of this search that have ended.
        pending: Trials that run or wait to go on.
    """
    try:
        told = [*on_one_scale(searcher.cube, known, ended), *ended] if known else ended
        points, origin = searcher.propose(number, count, told, pending), searcher.name
    except Exception:
        log.exception("proposal %d: the searcher failed; random points stand in", number)
        points = RandomSearcher(searcher.problem, searcher.seed).propose(number, count, ended, pending)
        origin = "random"
    return [Proposal(point, origin) for point in points]
