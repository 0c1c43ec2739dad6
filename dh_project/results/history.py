"""The state of a search, rebuilt from the records of its journal.

The search loop and all readers build this state only by :meth:`History.apply`. So a resumed search has the same state
as one that was never interrupted.
"""

from __future__ import annotations

import gc
import math
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.results.ending import Ending
from dh_project.results.identity import Identity
from dh_project.results.journal import JournalReader, Record
from dh_project.results.paths import SearchPaths
from dh_project.results.replicates import Replicates, best_of, replicates_of
from dh_project.trial.trial import Cause, State, Trial

BETWEEN_ATTEMPTS = (State.WAITING, State.PAUSED, State.PARKED)
"""States in which a trial can be started."""


@dataclass
class History:
    """The state of a search.

    Attributes:
        identity: The search's identity; None before its first record.
        trials: All trials, by id.
        running: The running trials, by id.
        paused: The interrupted or lost trials, by id, in the order in which they will be started again.
        parked: The trials that the stopper has parked, by id, in the order in which they were parked.
        ended: The trials that have ended for good, in the order of their ends.
        best_ended: The one of them with the largest objective, the first of equals; None if none has an objective.
        replicates: The trials of each point that has several, by the id of the point's first trial.
        points: Number of points.
        known: Trials of other searches that the searcher learns from (``--warm-start``); their ids are negative.
        sources: The results files of the known trials.
        labels: The labels ``experiment`` and ``tag_<key>``. Later sessions replace those of earlier ones.
        parks: How often trials were parked.
        epochs: Number of steps that all attempts have reported.
        improved_at: The value of ``epochs`` when an objective was better than all before it for the last time.
        returned: The largest objective that an attempt returned, also one that was parked, and the id of its trial.
        first_signs: For each attempt, the seconds from its start to its first report or its objective.
        elapsed: Seconds of search time up to the last record, over all sessions.
        ending: Why the last session ended; None if one is running or was killed.
    """

    identity: Identity | None = None
    trials: dict[int, Trial] = field(default_factory=dict)
    running: dict[int, Trial] = field(default_factory=dict)
    paused: dict[int, Trial] = field(default_factory=dict)
    parked: dict[int, Trial] = field(default_factory=dict)
    ended: list[Trial] = field(default_factory=list)
    best_ended: Trial | None = None
    replicates: dict[int, list[Trial]] = field(default_factory=dict)
    points: int = 0
    known: list[Trial] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    parks: int = 0
    first_signs: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    epochs: int = 0
    improved_at: int = 0
    returned: tuple[float, int] | None = None
    ending: Ending | None = None
    _largest: float = -math.inf  # of all reports and results
    _best_point: tuple[int, Trial | None] | None = None  # with replicates, after so many results

    @property
    def best(self) -> Trial | None:
        """The trial with the largest objective, the first of equals; None if no trial has an objective.

        A parked trial has been trained for fewer steps than one that has ended, so it is the best one only if no
        ended trial has an objective. Among parked trials, those of the latest step are compared.

        With replicates, it is a trial of the point with the largest mean (:func:`.best_of`).
        """
        if self.replicates:
            if self._best_point is None or self._best_point[0] != self.results:
                self._best_point = self.results, best_of(replicates_of(self.trials.values()).values())
            return self._best_point[1]
        return self.best_ended or max(
            self.unfinished, key=lambda trial: (trial.parked_at or 0, trial.objective), default=None
        )

    @property
    def results(self) -> int:
        """Number of objectives that the searcher has been told, and of failures."""
        return len(self.ended) + self.parks

    @property
    def unfinished(self) -> list[Trial]:
        """The trials that were parked and have not ended since; their objectives are those of the step of parking."""
        trials = (*self.parked.values(), *self.paused.values(), *self.running.values())
        return [trial for trial in trials if trial.objective is not None]

    def replicates_of(self, trial: Trial) -> Replicates:
        """Return the trials of the same point."""
        return Replicates(self.replicates.get(trial.first_replicate, [trial]))

    def number_among_replicates(self, trial: Trial) -> int:
        """Return the number of earlier trials of the same point."""
        return [each.id for each in self.replicates_of(trial).trials].index(trial.id)

    def count_ended(self, replicates: int) -> int:
        """Return the number of ended trials, of each point at most so many."""
        if not self.replicates:
            return len(self.ended)
        counts = Counter(trial.first_replicate for trial in self.ended)
        return sum(min(replicates, count) for count in counts.values())

    @classmethod
    def replay(cls, records: Iterable[Record]) -> History:
        """Return the history of a sequence of records."""
        history = cls()
        for record in records:
            history.apply(record)
        return history

    @classmethod
    def read(cls, folder: Path, with_reports: bool = True) -> History:
        """Return the history of a search's folder. The search may be running.

        Args:
            folder: The folder of the search.
            with_reports: Whether to read the reports of trials, which are most of a large journal.

        Raises:
            UserError: The folder has no journal, or the journal is damaged.
        """
        paths = SearchPaths(folder)
        history = Replay(paths, with_reports).read()
        if history.identity is None:
            raise UserError(f"{folder}: no search has been run here (no {paths.journal.name})")
        return history

    def apply(self, record: Record) -> None:
        """Apply one record. Unknown kinds are ignored, because a newer version may add some."""
        self.elapsed = max(self.elapsed, record.get("at", 0.0))
        match record["kind"]:
            case "report":
                self.add_reports([record])
            case "search":
                if self.identity is not None:
                    raise ValueError("the search has begun already")
                self.identity = Identity(**record["identity"])
            case "session":  # there is one driver at a time, so earlier running trials are interrupted
                self.ending = None
                self.labels.update(record.get("labels", {}))
                if self.identity is not None and "places" in record:
                    self.identity = replace(self.identity, **record["places"], code=record["code"])
                for trial in list(self.running.values()):
                    self._move(trial, State.PAUSED)
            case "source":
                self.sources.add(record["path"])
                for point, objective in record["results"]:
                    state = State.FAILED if objective is None else State.DONE
                    number = -1 - len(self.known)
                    self.known.append(Trial(number, point, "warm start", state=state, objective=objective))
            case "start":
                trial = self.trials.setdefault(
                    record["trial"], Trial(record["trial"], record["point"], record["origin"])
                )
                if record["attempt"] != trial.attempt + 1 or trial.state not in BETWEEN_ATTEMPTS:
                    raise ValueError(f"the trial is {trial.state} in attempt {trial.attempt}")
                self._move(trial, State.RUNNING)
                trial.attempt, trial.started, trial.has_reported = record["attempt"], record["at"], False
                trial.until = record.get("until")
                trial.parent = record.get("parent", trial.parent)
                trial.parent_attempt = record.get("parent_attempt", trial.parent_attempt)
                if trial.submitted is None:
                    trial.submitted = record["at"]
                    self._add_to_point(trial, record.get("replicate_of"))
            case "adopt":
                trial = self.trials[record["trial"]]
                self._move(trial, State.RUNNING)
                trial.has_reported = True  # the time of its first report is unknown
            case "retry":
                trial = self.trials[record["trial"]]
                self.ended.remove(trial)
                self._best_point = None
                self._move(trial, State.PAUSED)
            case "end":
                self._end(self.trials[record["trial"]], record)
            case "close":
                self.ending = Ending(record["ending"], record["reason"])

    def add_reports(self, records: Iterable[Record]) -> None:
        """Apply records of reports. A large journal has millions of them."""
        trials, elapsed = self.trials, self.elapsed
        for record in records:
            trial, at, step, objective = (
                trials[record["trial"]],
                record["at"],
                record["step"],
                record["objective"],
            )
            if not (trial.has_reported and trial.reports and step <= trial.reports[-1][0]):
                trial.epochs += 1
                self.epochs += 1
            trial.reports.append((step, objective))
            if objective > self._largest:
                self._largest, self.improved_at = objective, self.epochs
            if at > elapsed:
                elapsed = at
            if not trial.has_reported:
                self._note_sign(trial, at)
        self.elapsed = elapsed

    def _end(self, trial: Trial, record: Record) -> None:
        if trial.state is not State.RUNNING:
            raise ValueError(f"the trial is {trial.state}")
        state = State(record["state"])
        if (
            state is not State.PAUSED or trial.objective is None
        ):  # what a trial reached before it was parked stays
            trial.objective, trial.reason = record["objective"], record["reason"]
        cause = record.get("cause")  # not in schema 1
        trial.cause = Cause(cause) if cause else None
        trial.metadata.update(record["facts"])
        trial.worker = record["worker"]
        trial.ended = record["at"]
        trial.losses += record.get("lost", False)
        trial.failures += record.get("failed", False)
        trial.objectives = record.get("objectives")
        if record["objective"] is not None:
            self._note_sign(trial, record["at"])
            self._note_objective(trial, record["objective"])
        self._move(trial, state)
        if state is State.PARKED:
            trial.parked_at = record.get("step")
            self.parks += 1
        if trial.state.has_ended:
            self.ended.append(trial)
            best = self.best_ended.objective if self.best_ended else None
            if trial.objective is not None and (best is None or trial.objective > best):
                self.best_ended = trial

    def _add_to_point(self, trial: Trial, first: int | None) -> None:
        """Note to which point a new trial belongs."""
        self.points += first in (None, trial.id)
        trial.replicate_of = first
        if first is None:
            return
        before = [self.trials[first]] if first != trial.id and first in self.trials else []
        self.replicates.setdefault(first, before).append(trial)

    def _move(self, trial: Trial, state: State) -> None:
        """Change the state of a trial, and keep the mappings by state up to date."""
        unfinished = {State.RUNNING: self.running, State.PAUSED: self.paused, State.PARKED: self.parked}
        for trials in unfinished.values():
            trials.pop(trial.id, None)
        trial.state = state
        if state in unfinished:
            unfinished[state][trial.id] = trial

    def _note_objective(self, trial: Trial, objective: float) -> None:
        if self.returned is None or objective > self.returned[0]:
            self.returned = objective, trial.id
        if objective > self._largest:
            self._largest, self.improved_at = objective, self.epochs

    def _note_sign(self, trial: Trial, at: float) -> None:
        if not trial.has_reported:
            self.first_signs.append(at - trial.started)
        trial.has_reported = True


class Replay:
    """The history of a journal that may grow. Each record is read once.

    Args:
        paths: The search's paths. A missing journal has no records.
        with_reports: Whether to read the reports of trials, which are most of a large journal.
        trials: Ids of the trials to read; None for all.

    Attributes:
        reader: The reader of the journal.
        history: The state of the search after the records so far.
    """

    def __init__(
        self, paths: SearchPaths, with_reports: bool = True, trials: Container[int] | None = None
    ) -> None:
        self._path = paths.journal
        self.reader = JournalReader(paths.journal, with_reports, trials)
        self.history = History()

    def read(self) -> History:
        """Read the commits since the last call, and return the history.

        Raises:
            UserError: The journal is damaged, or it is not the journal of a search.
            OSError: The journal cannot be read.
        """
        with _few_collections():
            for records in self.reader.new():
                self.take(records)
        return self.history

    def take(self, records: list[Record]) -> None:
        """Apply a batch of records: one record, or any number of reports.

        Raises:
            UserError: A record does not fit those before it. Lines of schema 1 and 2 may be missing or doubled
                without a wrong checksum.
        """
        first = records[0]
        try:
            if self.history.identity is None and first["kind"] != "search":
                raise ValueError("the beginning of the file is missing")
            if first["kind"] == "report":
                self.history.add_reports(records)
            else:
                self.history.apply(first)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self._path}: the record {first.get('kind')!r} of trial {first.get('trial')} does not fit those "
                f"before it ({type(error).__name__}: {error}): lines are missing or doubled; restore the file from a "
                f"copy"
            ) from None


@contextmanager
def _few_collections() -> Iterator[None]:
    """Switch the collection of garbage off: millions of new objects that stay would be examined again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def check_same_search(paths: SearchPaths, history: History, identity: Identity) -> None:
    """Check that a folder has the journal of this search, or no files of a search.

    Raises:
        UserError: The folder has the journal of another search; the message says what differs. Or it has results but
            no journal, so that they are not of a search here.
    """
    foreign = [path.name for path in (paths.results, paths.trials) if os.path.lexists(path)]
    if history.identity is None and foreign:
        raise UserError(
            f"{paths.folder} holds {' and '.join(foreign)} but no {paths.journal.name}, so not of a search that can "
            f"go on; use another --log-dir, or --fresh to put them aside"
        )
    difference = history.identity.difference(identity) if history.identity else None
    if difference:
        raise UserError(
            f"{paths.folder}: another search was run here: {difference}; use another --log-dir, or --fresh to put "
            f"that one aside"
        )
