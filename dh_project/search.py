"""The search loop: asks the searcher, starts trials, takes their events, and writes the journal, alone.

Each turn proposes points for the free slots, commits that they start, and only then starts them; waits for
events, and commits those before anybody is told. What runs, and what was seen to end, is on record. A trial that
the journal leaves unfinished (the driver was killed, or stopped in time) comes first in the next session, as
another attempt that is told where the earlier one's folder is.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import Literal, NamedTuple, Protocol

from dh_project.assignment import Assignment
from dh_project.errors import UserError
from dh_project.evaluators.base import Evaluator
from dh_project.history import History, Identity, search_record
from dh_project.journal import Journal
from dh_project.problem import HpProblem
from dh_project.results import write_results
from dh_project.searchers.base import Searcher
from dh_project.trial import Ended, Event, Reported, SearchPaths, State, Trial

log = logging.getLogger("dh_project")

POLL_SECONDS = 0.5
"""How long the loop waits for events before it looks at the clock and at signals."""

STOP_SECONDS = 15.0
"""How long interrupted trials may take to end; one that does not is left to be started again."""

MOST_LOSSES = 10
"""Attempts in a row that may lose their worker, beside one for each worker, before the search gives up."""

RESULTS_SECONDS = 1.0
"""``results.csv`` is replaced at most so often, and at the end."""


@dataclass(frozen=True)
class Limits:
    """Where a search ends.

    Attributes:
        max_evals: Trials in all, over all sessions; None for no such limit.
        timeout: Seconds of search time, over all sessions.
        trial_timeout: Seconds after which a trial is killed.
        max_retries: How often a trial whose worker vanished is started again.
    """

    max_evals: int | None = None
    timeout: float | None = None
    trial_timeout: float | None = None
    max_retries: int = 1


class Ending(NamedTuple):
    """Why a session ended: in one word, for a program, and in a line, for a person."""

    kind: Literal["complete", "time", "signal", "losses"]
    reason: str


class Observer(Protocol):
    """Is shown what happens in a search."""

    def ended(self, trial: Trial) -> None:
        """See a trial that is over for good."""

    def turn(self, history: History, elapsed: float) -> None:
        """See the state of things after each turn of the loop."""


def check_same_search(paths: SearchPaths, history: History, identity: Identity) -> None:
    """Check that a folder is free, or belongs to this search.

    Raises:
        UserError: Another search left its journal here; the message says what differs.
    """
    difference = history.identity.difference(identity) if history.identity else None
    if difference:
        raise UserError(f"{paths.folder}: another search was run here: {difference}; use another --log-dir")


class Search:
    """One session of a search.

    Args:
        paths: Where the search stands; the folder must exist.
        identity: Which search it is.
        problem: The space and its starting points.
        searcher: Proposes points.
        evaluator: Runs trials.
        limits: Where the search ends.
        observer: Is shown what happens.

    Raises:
        UserError: The folder belongs to another search, or another driver is at work in it.
    """

    def __init__(
        self,
        paths: SearchPaths,
        identity: Identity,
        problem: HpProblem,
        searcher: Searcher,
        evaluator: Evaluator,
        limits: Limits,
        observer: Observer,
    ) -> None:
        self.paths, self.problem, self.limits = paths, problem, limits
        self.searcher, self.evaluator, self.observer = searcher, evaluator, observer
        self.journal = Journal(paths)
        try:
            self.history = History.replay(self.journal.records)
            check_same_search(paths, self.history, identity)
        except BaseException:
            self.journal.close()
            raise
        self._ending: Ending | None = None
        self._signal: str | None = None
        self._patience_ends = float("inf")
        self._losses_in_a_row = 0
        self._before, self._began = self.history.elapsed, time.monotonic()
        self._results_written = 0.0
        if self.history.identity is None:
            self._write(search_record(identity, _versions()))
        self._waiting = self.history.in_state(State.RUNNING, State.PAUSED)  # of earlier sessions
        for trial in self._waiting:
            trial.state = State.PAUSED

    @property
    def elapsed(self) -> float:
        """Seconds of search time: of this session and of those before it."""
        return self._before + time.monotonic() - self._began

    def run(self) -> Ending:
        """Search until a limit is reached or a signal comes, and close the journal.

        Returns:
            Why it ended.

        Raises:
            OSError: The journal cannot be written.
        """
        with self.journal, self._noting_signals():
            self._write(
                {
                    "kind": "session",
                    "at": self.elapsed,
                    "date": datetime.now(UTC).isoformat(timespec="seconds"),
                    "host": os.uname().nodename,
                    "pid": os.getpid(),
                    "searcher": self.searcher.name,
                    "evaluator": type(self.evaluator).__name__,
                    "num_workers": self.evaluator.num_workers,
                    "max_evals": self.limits.max_evals,
                }
            )
            self._look_for_limits()
            while not self._is_over():
                assignments = self._next_trials()
                self.journal.commit()
                for assignment in assignments:
                    self.evaluator.start(assignment)
                ended = [self._take(event) for event in self.evaluator.wait(self._patience())]
                self.journal.commit()  # before anybody is told, and before the next proposals take their time
                for trial in filter(None, ended):
                    self.observer.ended(trial)
                self._look_for_limits()
                self._write_results()
                self.observer.turn(self.history, self.elapsed)
            ending = self._ending or Ending("complete", "all trials have ended")
            self._write({"kind": "close", "at": self.elapsed, "reason": ending.reason})
            self.journal.commit()
            self._write_results(at_once=True)
            log.info("search ended: %s", ending.reason)
        return ending

    # ---- what to start

    def _is_over(self) -> bool:
        if self.history.in_state(State.RUNNING) and time.monotonic() < self._patience_ends:
            return False
        return self._ending is not None or self._left() <= 0

    def _left(self) -> float:
        """Return how many more trials may end."""
        limit = self.limits.max_evals
        return math.inf if limit is None else limit - len(self.history.ended)

    def _next_trials(self) -> list[Assignment]:
        """Record the start of a trial for each free slot, interrupted ones first; return them."""
        if self._ending is not None:
            return []
        running = len(self.history.in_state(State.RUNNING))
        free = int(min(self.evaluator.num_workers, self._left())) - running
        return [self._start(self._waiting.pop(0) if self._waiting else self._propose()) for _ in range(free)]

    def _propose(self) -> Trial:
        number, first = len(self.history.trials), self.problem.starting_points
        if number < len(first):
            return Trial(number, first[number], "starting point")
        pending = [t for t in self.history.trials.values() if not t.state.has_ended]
        point = self.searcher.propose(number - len(first), self.history.ended, pending)
        return Trial(number, point, self.searcher.name)

    def _start(self, trial: Trial) -> Assignment:
        attempt = trial.attempt + 1
        previous = self.paths.previous(trial.id, attempt)
        self._write(
            {
                "kind": "start",
                "at": self.elapsed,
                "trial": trial.id,
                "attempt": attempt,
                "point": trial.point,
                "origin": trial.origin,
            }
        )
        log.info("trial %d, attempt %d, started (%s): %s", trial.id, attempt, trial.origin, trial.point)
        return Assignment(
            trial=trial.id,
            attempt=attempt,
            point=trial.point,
            folder=str(self.paths.trial(trial.id, attempt).absolute()),
            previous_folder=str(previous.absolute()) if previous else None,
            time_limit=self.limits.trial_timeout,
        )

    # ---- what has happened

    def _take(self, event: Event) -> Trial | None:
        """Record an event; return the trial where it is over for good."""
        trial = self.history.trials[event.trial]
        if event.attempt != trial.attempt or trial.state is not State.RUNNING:
            log.warning("an event of an attempt that is over was refused: %s", event)
            return None
        if isinstance(event, Reported):
            self._losses_in_a_row = 0
            self._write({"kind": "report", "at": self.elapsed, **vars(event)})
            return None
        is_stopping = bool(self._ending or self._signal)  # a batch system may have ended the worker too
        lost = event.state is State.LOST and not is_stopping
        self._losses_in_a_row = self._losses_in_a_row + 1 if lost else 0
        again = event.state is State.PAUSED or (
            event.state is State.LOST and (is_stopping or trial.losses < self.limits.max_retries)
        )
        state = State.PAUSED if again else event.state
        self._write({"kind": "end", "at": self.elapsed, **vars(event), "state": state, "lost": lost})
        log.info("trial %d, attempt %d, %s: %s", trial.id, trial.attempt, event.state, _said(event))
        if again:
            self._waiting.append(trial)
            return None
        return trial

    def _look_for_limits(self) -> None:
        """End the session where a signal came or time is up: running trials are interrupted, to go on next time."""
        if self._ending is not None:
            return
        losses = self._losses_in_a_row
        if self._signal:
            self._ending = Ending("signal", f"{self._signal} came")
        elif self.limits.timeout is not None and self.elapsed >= self.limits.timeout:
            self._ending = Ending("time", f"the time limit of {self.limits.timeout:g} s is reached")
        elif losses > MOST_LOSSES + self.evaluator.num_workers:
            self._ending = Ending(
                "losses", f"{losses} attempts in a row lost their worker; see {self.paths.log}"
            )
        else:
            return
        self._patience_ends = time.monotonic() + STOP_SECONDS
        log.info("stopping: %s", self._ending.reason)
        for trial in self.history.in_state(State.RUNNING):
            self.evaluator.kill(trial.id, State.PAUSED, self._ending.reason)

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        """Note a first SIGINT or SIGTERM, for the loop to end in order; let a second one interrupt at once."""

        def handle(number: int, frame: FrameType | None) -> None:
            if self._signal:
                raise KeyboardInterrupt
            self._signal = signal.Signals(number).name

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _patience(self) -> float:
        """Return how long to wait for events."""
        if self.limits.timeout is None or self._ending:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.0, self.limits.timeout - self.elapsed))

    # ---- what is left on disk

    def _write(self, record: dict[str, object]) -> None:
        self.journal.append(record)
        self.history.apply(record)

    def _write_results(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._results_written >= RESULTS_SECONDS:
            write_results(self.history, self.problem.hyperparameter_names, self.paths.results)
            self._results_written = now


def _said(ended: Ended) -> str:
    return f"objective {ended.objective!r}" if ended.objective is not None else str(ended.reason)


def _versions() -> Mapping[str, str]:
    """Return the installed versions of what a result may depend on."""
    versions = {}
    for name in ("dh_project", "deephyper", "ConfigSpace", "torch", "ray"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
