"""The search loop: starts trials, receives their events and writes the journal.

Each turn of the loop receives events, takes proposals for the free slots, and commits both to the journal in one
append. Only then does it notify observers and start trials. So every running or ended trial is in the journal. If the
driver is killed or stopped, the next session begins with the unfinished trials, as new attempts that know the folders
of the earlier ones.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping

from dh_project.common.files import must_be_written
from dh_project.common.signals import SignalNote
from dh_project.evaluators.base import Evaluator, NoWorkersLeft, lost
from dh_project.hps.assignments import Assignments
from dh_project.hps.earlier import EarlierSessions
from dh_project.hps.limits import FailureCount, Limits, seconds_to_report
from dh_project.hps.losses import Losses
from dh_project.hps.next_trials import NextTrials
from dh_project.hps.observer import Observer
from dh_project.hps.proposals import Proposals
from dh_project.hps.searchers.base import Searcher
from dh_project.hps.stoppers.base import Stopper
from dh_project.hps.warm_start import WarmStart
from dh_project.problem import HpProblem
from dh_project.results import records
from dh_project.results.adoption import unheard_ends
from dh_project.results.csv_file import ResultsFile
from dh_project.results.ending import Ending, Kind
from dh_project.results.history import check_same_search
from dh_project.results.identity import Identity
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Event, Reported, Retried
from dh_project.trial.trial import State, Trial

log = logging.getLogger("dh_project")

POLL_SECONDS = 0.5
"""Longest wait for events before the loop checks the clock and signals."""

PROPOSAL_SECONDS = 0.01
"""Longest wait for a proposal for a free slot before the loop checks for events."""

ALIVE_SECONDS = 30.0
"""Longest time between two records. If nothing happens, an ``alive`` record notes the elapsed time."""


class Search:
    """One session of a search.

    Args:
        paths: Paths of the search; the folder must exist.
        identity: Identity of the search.
        problem: The space and its starting points.
        searcher: Proposes points.
        evaluator: Runs trials.
        limits: Conditions that end the search.
        observer: Is notified of ended trials and turns.
        stopper: Stops and parks trials; None for no stopper.
        sources: Results of other searches to learn from.
        labels: Labels of the search. They are added to those of earlier sessions.
        noted: Further settings for the session's record in the journal.
        proposals: Stock of proposals; None makes one.
        clock: Returns monotonic seconds.
        earlier: The earlier sessions, as far as they have been read; None reads them.

    Raises:
        UserError: The folder belongs to another search, or another driver is running there.
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
        stopper: Stopper | None = None,
        sources: tuple[WarmStart, ...] = (),
        labels: Mapping[str, str] | None = None,
        noted: Mapping[str, object] | None = None,
        proposals: Proposals | None = None,
        clock: Callable[[], float] = time.monotonic,
        earlier: EarlierSessions | None = None,
    ) -> None:
        self.paths, self.limits = paths, limits
        self.searcher, self.evaluator, self.observer, self.stopper = searcher, evaluator, observer, stopper
        self.proposals = proposals or Proposals(searcher, evaluator.num_workers)
        earlier = earlier or EarlierSessions(paths, stopper)
        self.history, self._decisions = earlier.history, earlier.decisions
        self.journal = Journal(paths, earlier.take, earlier.reader)
        try:
            check_same_search(paths, self.history, identity)
        except BaseException:
            self.journal.close()
            raise
        if self.journal.cut:
            observer.note(f"{paths.journal}: removed {self.journal.cut} bytes of an interrupted write")
        self._clock = clock
        self._labels, self._noted = dict(labels or {}), {**identity.places, **(noted or {})}
        self._results = ResultsFile(
            paths.results, problem.hyperparameter_names, self.history.labels | self._labels
        )
        self._ending: Ending | None = None
        self._signals = SignalNote(observer.interrupted)
        self._patience_ends = math.inf
        most = math.inf if limits.max_evals is None else limits.max_evals
        self._next = NextTrials(
            problem, self.proposals, self._decisions, self.history, most, limits.replicates
        )
        self._assignments = Assignments(paths, limits, self.history, stopper)
        self._parked: list[Trial] = []  # in this turn
        self._heard: dict[int, set[tuple[int, float]]] = {}  # earlier reports of adopted trials
        self.left_running: set[int] = set()
        self._stops: list[int] = []  # trials to stop in this turn
        self._losses = Losses(evaluator.num_workers, clock)
        self._failures = FailureCount()
        self._before, self._began = self.history.elapsed, clock()
        self._on_record_until = self._before
        if self.history.identity is None:
            self._write(records.search(identity))
        for source in sources:
            self._learn(source)

    @property
    def elapsed(self) -> float:
        """Seconds of search time, over all sessions."""
        return self._before + self._clock() - self._began

    def run(self) -> Ending:
        """Search until a limit is reached or a signal arrives, and close the journal.

        Returns:
            Why the session ended.

        Raises:
            OSError: The journal or ``results.csv`` cannot be written. Earlier commits stay.
        """
        with self.journal, self._signals:
            interrupted = list(self.history.running.values())
            unheard = unheard_ends(self.paths, interrupted)
            over = [trial for event in unheard if (trial := self._take(event))]
            self._write(
                records.session(
                    self.elapsed,
                    {
                        "searcher": self.searcher.name,
                        "evaluator": type(self.evaluator).__name__,
                        "stopper": self.stopper.name if self.stopper else None,
                        "num_workers": self.evaluator.num_workers,
                        "max_evals": self.limits.max_evals,
                        "replicates": self.limits.replicates,
                        **self._noted,
                        **({"labels": self._labels} if self._labels else {}),
                    },
                )
            )
            self._adopt([trial for trial in interrupted if trial.state is State.PAUSED])
            over += [trial for event in self._wait(0.0) if (trial := self._take(event))]
            self._turn(over)
            while not self._is_over():
                over = [trial for event in self._events() if (trial := self._take(event))]
                self._failures.add(over)
                self._turn(over)
            ending = self._ending or Ending("complete", self._next.why_exhausted())
            self._write(records.close(self.elapsed, ending))
            with must_be_written():
                self.journal.commit()
                self._results.write(self.history.ended, self.history.unfinished)
            log.info("search ended: %s", ending.reason)
        return ending

    def _turn(self, over: list[Trial]) -> None:
        """Commit the received events and the next starts; then notify observers and start the trials."""
        self._look_for_limits()
        starts = self._next_trials()
        if self.elapsed - self._on_record_until >= ALIVE_SECONDS:
            self._write(records.alive(self.elapsed))
        with must_be_written():
            self.journal.commit()
        for trial in over:
            self.observer.ended(trial)
        for trial in self._parked:
            self.observer.parked(trial)
        self._parked.clear()
        for assignment in starts:
            self.evaluator.start(assignment)
        for number in self._stops:
            self.evaluator.stop(number, self._decisions.steps[number])
        self._stops.clear()
        with must_be_written():
            self._results.write_if_due(self.history.ended, self._clock, lambda: self.history.unfinished)
        self.observer.turn(self.history, self.elapsed)

    def _is_over(self) -> bool:
        if self.history.running.keys() - self.left_running and self._clock() < self._patience_ends:
            return False
        return self._ending is not None or self._next.is_exhausted()

    # ---- what to start

    def _next_trials(self) -> list[Assignment]:
        """Record a start for each free slot."""
        if self._ending is not None or not self._can_report():
            return []
        free = self.evaluator.num_workers - len(self.history.running) - self._losses.resting()
        return [self._start(trial, until) for trial, until in self._next.choose(free)]

    def _can_report(self) -> bool:
        """Return whether a trial that starts now can report in time. If not and none is running, end the session."""
        left = self.limits.seconds_left(self.elapsed, self._clock())
        needed = seconds_to_report(self.history.first_signs)
        if left > needed:
            return True
        if not self.history.running and not self._next.is_exhausted():
            kind: Kind = "timeout" if self.limits.timeout_binds(self.elapsed, self._clock()) else "time"
            self._end(kind, f"{max(0.0, left):.0f} s are left, and a trial reports after {needed:.0f} s")
        return False

    def _start(self, trial: Trial, until: int | None) -> Assignment:
        attempt = trial.attempt + 1
        self._write(records.start(self.elapsed, trial, attempt, until))
        trial = self.history.trials[trial.id]
        if trial.id in self._decisions.steps:  # the attempt before ended without being stopped
            self._stops.append(trial.id)
        log.info("trial %d, attempt %d, started (%s): %s", trial.id, attempt, trial.origin, trial.point)
        return self._assignments.of(trial)

    def _adopt(self, trials: list[Trial]) -> None:
        """Continue attempts of the previous session that are still running, if the evaluator can."""
        adopted = self.evaluator.adopt([self._assignments.of(trial) for trial in trials])
        for trial in trials:
            if trial.id in adopted:
                self._write(records.adopt(self.elapsed, trial))
                self._heard[trial.id] = set(trial.reports)
                self._stops += [trial.id] if trial.id in self._decisions.steps else []
                log.info("trial %d, attempt %d, continues", trial.id, trial.attempt)

    # ---- what has happened

    def _events(self) -> list[Event]:
        """Wait for events until the clock must be checked."""
        if self._next.lacks_point:
            self.proposals.wait(PROPOSAL_SECONDS)
        left = math.inf if self._ending else self.limits.seconds_left(self.elapsed, self._clock())
        return self._wait(0.0 if self._next.lacks_point else min(POLL_SECONDS, max(0.0, left)))

    def _wait(self, seconds: float) -> list[Event]:
        """Wait for events. If no worker is left, end the session and return all running trials as lost."""
        try:
            return self.evaluator.wait(seconds)
        except NoWorkersLeft as error:
            why = str(error)
            self._ending = self._ending or Ending("losses", why)
            log.error("stopping: %s", why)
            running = self.history.running.values()
            return [lost(self._assignments.of(trial), "", why) for trial in running]

    def _take(self, event: Event) -> Trial | None:
        """Record an event; return its trial if the trial has ended for good."""
        trial = self.history.trials[event.trial]
        if isinstance(event, Retried):
            self._retry(trial, event)
            return None
        if event.attempt != trial.attempt or trial.state is not State.RUNNING:
            log.warning("ignored an event of an attempt that has ended: %s", event)
            return None
        if isinstance(event, Reported):
            if (event.step, event.objective) in self._heard.get(trial.id, ()):
                return None
            self._losses.clear()
            if not trial.has_reported and trial.reports[-1:] == [(event.step, event.objective)]:
                return None  # a resumed attempt has repeated the last report
            was_stopped = trial.id in self._decisions.steps
            self._write(records.report(self.elapsed, event))
            if trial.id in self._decisions.steps and not was_stopped:
                log.info("trial %d, attempt %d, is stopped at step %d", trial.id, trial.attempt, event.step)
                self._stops.append(trial.id)
            return None
        # while the session ends, the batch system may have ended the worker too
        is_stopping = bool(self._ending or self._signals.came)
        lost = event.state is State.LOST and not is_stopping
        if lost:
            self._losses.add()
        else:
            self._losses.clear()
        again = event.state is State.PAUSED or (
            event.state is State.LOST and (is_stopping or trial.losses < self.limits.max_retries)
        )
        state = State.PAUSED if again else event.state
        self._write(records.end(self.elapsed, event, state, lost, trial.step))
        log.info("trial %d, attempt %d, %s: %s", trial.id, trial.attempt, event.state, event.in_words())
        if state is State.PARKED:
            self._parked.append(trial)
        return trial if state.has_ended else None

    def _retry(self, trial: Trial, event: Retried) -> None:
        """Attempt a trial that ended without an objective again. Its row is removed until it ends again."""
        if event.attempt == trial.attempt and trial.state.has_ended and trial.objective is None:
            self._write(records.retry(self.elapsed, trial))
            self._results.begin_anew()
            log.info("trial %d is attempted again at the user's request", trial.id)

    def _learn(self, source: WarmStart) -> None:
        """Record the results of another search, once."""
        if source.path not in self.history.sources:
            self._write(records.source(source.path, source.results))
            log.info("learned from %d results of %s", len(source.results), source.path)

    def _look_for_limits(self) -> None:
        """End the session if a signal came, time is up, or too many trials failed or were lost."""
        limits, losses = self.limits, self._losses
        if self._ending is not None:
            return
        if self._signals.came:
            self._end("signal", f"{self._signals.came} came")
        elif (ending := limits.criteria.ending(self.history)) is not None:
            self._end(*ending)
        elif limits.timeout is not None and self.elapsed >= limits.timeout:
            self._end("timeout", f"the time limit of {limits.timeout:g} s is reached")
        elif limits.seconds_left(self.elapsed, self._clock()) <= 0:
            self._end("time", f"the job ends in {limits.margin:g} s")
        elif losses.are_too_many():
            self._end(
                "losses", f"{losses.in_a_row} attempts in a row lost their worker; see {self.paths.log}"
            )
        elif (said := self._failures.exceeding(limits.max_failures)) and not self._next.is_exhausted():
            self._end("failures", said)

    def _end(self, kind: Kind, reason: str) -> None:
        """End the session and interrupt running trials, which save their state and continue in the next session."""
        self._ending = Ending(kind, reason)
        log.info("stopping: %s", reason)
        patience, self._patience_ends = self.limits.patience(kind, self._clock())
        for trial in self.history.running:
            if kind in ("time", "signal") and self.evaluator.leave(trial):
                self.left_running.add(trial)
                log.info("trial %d continues without this driver; the next session adopts it", trial)
                continue
            self.evaluator.kill(trial, State.PAUSED, reason, patience)

    # ---- what is left on disk

    def _write(self, record: dict[str, object]) -> None:
        self.journal.append(record)
        self.history.apply(record)
        self._decisions.hear(record, self.history)
        self._on_record_until = self.history.elapsed
