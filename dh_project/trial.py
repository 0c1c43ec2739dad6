"""A trial: one evaluation of one point; its states, and the events that move it between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Point = dict[str, Any]


LOG, RESULT = "log.txt", "result.json"
"""What the worker itself writes into an attempt's folder."""


class State(StrEnum):
    """Where a trial stands. A state is never a string among the objectives."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # between two attempts: it goes on, from its checkpoint where it left one
    DONE = "done"
    STOPPED = "stopped"  # early, on the stopper's word, with an objective
    FAILED = "failed"  # the run function's own fault: exception, exit, signal, no number returned
    TIMEOUT = "timeout"
    MEMORY = "memory"  # more than its limit, or the system ran out of it
    LOST = "lost"  # not its own fault: the worker or the machine under it vanished
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether the trial is over for good, and its row final."""
        return self not in (State.WAITING, State.RUNNING, State.PAUSED)

    @property
    def has_objective(self) -> bool:
        """Whether a trial in this state has an objective."""
        return self in (State.DONE, State.STOPPED)


class Cause(StrEnum):
    """What kind of failure a ``failed`` trial was."""

    EXCEPTION = "exception"
    EXIT = "exit"  # it left without returning: sys.exit, os._exit
    SIGNAL = "signal"  # segmentation fault, abort, killed
    NOT_FINITE = "not_finite"  # NaN or infinite
    NO_NUMBER = "no_number"  # something else where a number belongs
    SAID = "said"  # the run function returned a string "F…"


@dataclass
class Trial:
    """One evaluation of one point.

    Attributes:
        id: Number within its search, from 0, in the order of proposing.
        point: The hyperparameters.
        origin: Who proposed it: ``starting point`` or the searcher's name.
        attempt: How often it was started, from 1; an interrupted or lost attempt is followed by another.
        state: Where it stands.
        objective: The run function's result, larger is better; None unless done or stopped.
        reason: Why there is no objective, in one line.
        cause: What kind of failure it was, where it failed.
        facts: What the trial recorded, by name.
        reports: Intermediate objectives, (step, objective), of all attempts.
        submitted: When its first attempt was started, seconds of search time.
        ended: When it ended, seconds of search time.
        worker: Host and process that ran the last attempt.
        losses: How many attempts were lost with their worker or machine.
        started: When its last attempt was started, seconds of search time.
        has_reported: Whether that attempt has reported yet, or has ended with an objective.
    """

    id: int
    point: Point
    origin: str
    attempt: int = 0
    state: State = State.WAITING
    objective: float | None = None
    reason: str | None = None
    cause: Cause | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    reports: list[tuple[int, float]] = field(default_factory=list)
    submitted: float | None = None
    ended: float | None = None
    worker: str | None = None
    losses: int = 0
    started: float = 0.0
    has_reported: bool = False


@dataclass(frozen=True)
class SearchPaths:
    """Every path of a search; nothing else builds file names."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The truth: one JSON line an event."""
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one driver that may write."""
        return self.folder / "journal.lock"

    @property
    def lease(self) -> Path:
        """The lock where the file system has no ``flock``."""
        return self.folder / "journal.lease"

    @property
    def results(self) -> Path:
        """A view of the journal: one row an ended trial."""
        return self.folder / "results.csv"

    @property
    def log(self) -> Path:
        """What the driver says, by time."""
        return self.folder / "deephyper.log"

    @property
    def trials(self) -> Path:
        """The folders of all trials."""
        return self.folder / "trials"

    def trial(self, trial: int, attempt: int) -> Path:
        """The folder of one attempt at a trial."""
        return self.trials / f"{trial:04d}" / f"attempt-{attempt}"

    def previous(self, trial: int, attempt: int) -> list[Path]:
        """The folders of the attempts before this one that left more than a worker leaves, the latest first."""
        folders = [self.trial(trial, earlier) for earlier in range(attempt - 1, 0, -1)]
        return [folder for folder in folders if folder.is_dir() and any(map(_is_left, folder.iterdir()))]


def _is_left(path: Path) -> bool:
    """Say whether a run function left a file; one with a dot is what a killed writer did not come to rename."""
    return path.name not in (LOG, RESULT) and not path.name.startswith(".")


# ---- events: what an evaluator brings back


@dataclass(frozen=True)
class Reported:
    """A running attempt reported an intermediate objective."""

    trial: int
    attempt: int
    step: int
    objective: float


@dataclass(frozen=True)
class Ended:
    """An attempt is over, or one of its processes; ``state`` is ``paused`` where another attempt shall follow."""

    trial: int
    attempt: int
    state: State
    objective: float | None = None
    reason: str | None = None
    cause: Cause | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    worker: str | None = None
    rank: int = 0

    def in_words(self) -> str:
        """Return the objective, or why there is none."""
        return f"objective {self.objective!r}" if self.objective is not None else str(self.reason)


@dataclass(frozen=True)
class Retried:
    """The user wants another attempt at a trial that ended without an objective."""

    trial: int
    attempt: int


Event = Reported | Ended | Retried
