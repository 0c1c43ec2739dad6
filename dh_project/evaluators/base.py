"""The contract of an evaluator.

An evaluator knows trials and machines, nothing of searchers, and writes nothing. The search loop, its only
caller, promises to have at most ``num_workers`` trials in it at once, and each of them once.

- ``start`` hands over one attempt at a trial and returns at once.
- ``wait`` returns events in the order in which each trial caused them. Of every attempt that was started,
  exactly one ``Ended`` comes, after all of its ``Reported``, whatever happened: an attempt whose worker or
  machine vanished ends as ``lost``. After it, the slot serves again; a dead worker is replaced unseen.
- ``kill`` asks for the end of an attempt, grandchildren included; its ``Ended`` still comes, with the state
  asked for, unless it had ended by itself before.
- ``close`` ends what still runs, without events, and leaves no process behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from dh_project.assignment import Assignment
from dh_project.trial import Ended, Event, Reported, State


@dataclass(frozen=True)
class Resources:
    """What the trials may use.

    Attributes:
        num_workers: Trials at a time; None for as many as the machines hold.
        cpus_per_trial: Cores a trial.
        gpus_per_trial: GPUs a trial, or a share of one; None for one where there are GPUs.
        ray_address: Address of a Ray cluster; empty for one started on this machine.
        ray_password: Its password, where it has one.
    """

    num_workers: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    ray_address: str = ""
    ray_password: str | None = None


class Evaluator(ABC):
    """Carries trials to workers and their events back; see the module for what it promises.

    Attributes:
        num_workers: How many trials it runs at a time.
    """

    num_workers: int

    @abstractmethod
    def start(self, assignment: Assignment) -> None:
        """Start one attempt at a trial."""

    @abstractmethod
    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return what has happened, after waiting for it at most ``timeout`` seconds (None: for ever)."""

    @abstractmethod
    def kill(self, trial: int, state: State, reason: str) -> None:
        """Ask for the end of a trial's running attempt."""

    @abstractmethod
    def close(self) -> None:
        """End everything. Nothing may be called after it but ``close`` again."""

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def event_of(message: dict[str, Any], worker: str) -> Event | None:
    """Return the event that a worker's message tells, or None for one that concerns no trial."""
    match message.pop("event"):
        case "report":
            return Reported(**message)
        case "end":
            return Ended(**{**message, "state": State(message["state"])}, worker=worker)
    return None


def lost(assignment: Assignment, worker: str, why: str) -> Ended:
    """Return the end of an attempt whose worker vanished."""
    return Ended(assignment.trial, assignment.attempt, State.LOST, reason=why, worker=worker)
