"""A trial: one evaluation of one point, and its states."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Point = dict[str, Any]

STARTING_POINT = "starting point"
"""Origin of a trial whose point the problem gave."""


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
        folder: Folder of the last attempt, if the trial was read from a search's folder.
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
    folder: Path | None = None
