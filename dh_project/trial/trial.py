"""A trial: one evaluation of one point, and its states."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Point = dict[str, Any]

STARTING_POINT = "starting point"
"""Origin of a trial whose point the problem gave."""

STAND_IN = "random stand-in"
"""Origin of a trial whose point is random, because the searcher failed."""


class State(StrEnum):
    """State of a trial, kept apart from its objective."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"  # between two attempts; the next one starts from the checkpoint, if there is one
    PARKED = "parked"  # between two attempts, by the stopper, until the trial is promoted
    DONE = "done"
    STOPPED = "stopped"  # early, by the stopper, with an objective
    FAILED = "failed"  # by a fault of the run function: exception, exit, signal, no number returned
    TIMEOUT = "timeout"
    MEMORY = "memory"  # it took more than its limit, or the system ran out of memory
    LOST = "lost"  # by no fault of its own: its worker or machine vanished
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether the trial has ended for good and its row is final."""
        return self not in (State.WAITING, State.RUNNING, State.PAUSED, State.PARKED)

    @property
    def has_objective(self) -> bool:
        """Whether a trial in this state has an objective."""
        return self in (State.DONE, State.STOPPED, State.PARKED)


class Cause(StrEnum):
    """Kind of failure of a ``failed`` trial."""

    EXCEPTION = "exception"
    EXIT = "exit"  # it left without returning: sys.exit, os._exit
    SIGNAL = "signal"  # segmentation fault, abort, killed
    NOT_FINITE = "not_finite"  # NaN or infinite
    NO_NUMBER = "no_number"  # it returned something else than a number
    SAID = "said"  # the run function returned a string "F…"


@dataclass
class Trial:
    """One evaluation of one point.

    Attributes:
        id: Number within its search, from 0, in the order of proposing.
        point: The hyperparameters.
        origin: Who proposed it: ``starting point`` or the searcher's name.
        attempt: Number of the last attempt, from 1. An interrupted or lost attempt is followed by another one.
        state: State of the trial.
        objective: Result of the run function, larger is better. None unless the trial is done, stopped or parked.
        reason: Reason why there is no objective, in one line.
        cause: Kind of failure, if the trial failed.
        metadata: Recorded facts by name.
        reports: Intermediate objectives of all attempts, as (step, objective).
        submitted: Start of the first attempt, in seconds of search time.
        ended: End of the trial, in seconds of search time.
        worker: Host and process that ran the last attempt.
        losses: Number of attempts that were lost with their worker or machine.
        failures: Number of attempts that failed and were followed by another one.
        epochs: Number of steps that its attempts have reported. A step that is trained again counts again.
        until: Step at which the last attempt parks; None if it runs to its end.
        parked_at: Last step before it was parked for the last time; None if it never was.
        parent: Id of the trial from whose checkpoint it begins; None if there is none.
        parent_attempt: Attempt of the parent that left this checkpoint.
        replicate_of: Id of the first trial of the same point, perhaps its own; None without replicates.
        objectives: All objectives, if the run function returned several.
        started: Start of the last attempt, in seconds of search time.
        has_reported: Whether the last attempt has reported, or has ended with an objective.
        folder: Folder of the last attempt, if the trial was read from the folder of a search.
    """

    id: int
    point: Point
    origin: str
    attempt: int = 0
    state: State = State.WAITING
    objective: float | None = None
    reason: str | None = None
    cause: Cause | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    reports: list[tuple[int, float]] = field(default_factory=list)
    submitted: float | None = None
    ended: float | None = None
    worker: str | None = None
    losses: int = 0
    failures: int = 0
    epochs: int = 0
    until: int | None = None
    parked_at: int | None = None
    replicate_of: int | None = None
    parent: int | None = None
    parent_attempt: int | None = None
    objectives: list[float] | None = None
    started: float = 0.0
    has_reported: bool = False
    folder: Path | None = None

    @property
    def step(self) -> int | None:
        """Last step that the trial has reported; None if it has reported nothing."""
        return self.reports[-1][0] if self.reports else None

    @property
    def first_replicate(self) -> int:
        """Id of the first trial of the same point; its own without replicates."""
        return self.id if self.replicate_of is None else self.replicate_of
