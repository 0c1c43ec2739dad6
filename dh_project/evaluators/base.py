"""The contract of an evaluator; ``dh_project.testing.evaluator.EvaluatorContract`` holds one to it.

An evaluator carries attempts at trials to workers somewhere, and events back. It knows trials and machines,
nothing of searchers, and writes nothing: the journal is the search loop's, an attempt's folder the worker's
and the run function's. The loop, its only caller, is one thread; it has at most ``num_workers`` trials in an
evaluator at once, each of them once. What travels is frozen: ``RunContext``, ``Assignment`` and events never
change once they are made.

``start`` hands over one attempt and returns at once. A worker that is dead is replaced unseen.

``wait`` returns events in the order in which each trial caused them; there is no order among trials. Of every
attempt that was started exactly one ``Ended`` comes, after all of its ``Reported``, whatever happened. After
it the slot serves again. Its state says how the attempt ended:

- ``done``: it returned a number, before it was told to end.
- ``stopped``: it was told to by ``stop``, and returned a number.
- ``failed``: by its own fault, with its ``cause``; no other state has one.
- ``timeout``, ``memory``: it took more than its limit, or the system ran out of memory. It and its children
  are dead.
- ``lost``: its worker or machine vanished, its disk is full or broken, a SIGTERM came from outside. Not its
  own fault; the loop may start another attempt. An event that a vanished worker's attempt sends late, after
  its ``Ended``, is refused by the loop, which knows it by its attempt, and logs it.
- the state that ``kill`` named.

``stop`` is the stopper's verdict on the report of a step: the attempt's next report of a later step is answered
with False, and no signal is sent. One that reports no more ends as ``done``.

``kill`` sentences an attempt, with its children, to end in ``patience`` seconds and a short time of grace:
from now on its reports are answered with False, for it to save its checkpoint and return; after ``patience``
a SIGTERM comes, and after the time of grace a SIGKILL. Once a report was answered so, or the SIGTERM was
sent, the attempt ends in the state asked for, whatever it returns. A pause is a kill as ``paused``: the next
attempt goes on from what this one saved. One that ended by itself before it was told anything, ended by
itself. The first sentence names the state; a second one can shorten the time, but never lengthen it. An
attempt that has exceeded its memory limit is killed at once.

Both pass over a trial that does not run.

An evaluator whose workers outlive its driver (jobs of a batch system) can ``leave`` an attempt running when its
session ends, and the next session's evaluator ``adopt`` it: it then owes that session the attempt's end. The others
do neither.

``close`` ends what still runs and was not left, without events, and leaves no process behind. Nor does a driver that
dies in any other way, jobs excepted: a worker that sees the end of its commands kills all below itself and leaves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, ClassVar

from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended, Event, Reported
from dh_project.trial.trial import Cause, State


class NoWorkersLeft(Exception):
    """All workers are gone for good, with what ran there: the session has to end, and another can go on."""


class Evaluator(ABC):
    """Carries trials to workers and their events back; see the module for what it promises.

    Attributes:
        num_workers: How many trials it runs at a time.
        worker_takes: What each worker takes, as ``1 core and 0.5 GPU``. Empty if that is not known.
        starts_all_processes: Whether it starts all processes of a trial. If not, :class:`RankGroups` gives each
            process a worker of its own.
        spreads_trials: Whether it can spread the processes of a trial over several nodes.
    """

    num_workers: int
    worker_takes: str = ""
    starts_all_processes: ClassVar[bool] = False
    spreads_trials: ClassVar[bool] = False

    @classmethod
    def create(cls, context: RunContext, settings: EvaluatorSettings) -> Evaluator:
        """Start an evaluator for a search; by default the class is called with both arguments.

        Args:
            context: What all trials share.
            settings: The shape of a trial, and the machines.

        Raises:
            UserError: If its workers cannot be had.
        """
        return cls(context, settings)  # type: ignore[call-arg]

    def in_words(self) -> str:
        """Return how many trials run at a time and what each takes: ``2 workers (1 core each)``."""
        workers = "1 worker" if self.num_workers == 1 else f"{self.num_workers} workers"
        return f"{workers} ({self.worker_takes} each)" if self.worker_takes else workers

    @abstractmethod
    def start(self, assignment: Assignment) -> None:
        """Start one attempt at a trial."""

    @abstractmethod
    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return what has happened, after waiting for it at most ``timeout`` seconds (None: for ever).

        Raises:
            NoWorkersLeft: There will be no worker any more.
        """

    @abstractmethod
    def stop(self, trial: int, after: int) -> None:
        """Let a trial's next report above a step be answered with a stop; it ends as stopped, with its objective."""

    @abstractmethod
    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """Ask for the end of a trial's running attempt, as this state, in so many seconds and a time of grace."""

    def leave(self, trial: int) -> bool:
        """Let a trial's running attempt go on without this driver, for a later one to adopt; say whether it will."""
        return False

    def adopt(self, assignments: Sequence[Assignment]) -> set[int]:
        """Take up attempts that ran when an earlier session ended; return the trials whose ends will come."""
        return set()

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
            cause = Cause(message["cause"]) if message["cause"] else None
            return Ended(**{**message, "state": State(message["state"]), "cause": cause}, worker=worker)
    return None


def lost(assignment: Assignment, worker: str, why: str) -> Ended:
    """Return the end of an attempt whose worker vanished."""
    return Ended(
        assignment.trial, assignment.attempt, State.LOST, reason=why, worker=worker, rank=assignment.rank
    )
