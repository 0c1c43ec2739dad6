"""Trials of several processes: each rank of an attempt runs in a worker of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dh_project.evaluators.base import Evaluator, NoWorkersLeft
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Ended, Event
from dh_project.trial.ranks import folder_of
from dh_project.trial.trial import Cause, State

PATIENCE_SECONDS = 5.0
"""Seconds that the other ranks have to return after the first has its result, or one has failed."""

ENDED_WELL = (State.DONE, State.STOPPED, State.PARKED)

MACHINE = (State.LOST, State.MEMORY, State.TIMEOUT)
"""Ends that explain those of the other ranks, which fail because this one is missing."""


@dataclass
class _Group:
    """The ranks of a running attempt."""

    ends: dict[int, Ended] = field(default_factory=dict)
    is_ending: bool = False  # after one rank has ended
    sentence: State | None = None  # state that ``kill`` asked for


class RankGroups(Evaluator):
    """Runs each attempt as several processes, which train together (``dh_project.trial.ranks``).

    The reports, facts and objective of the first rank count for the trial. If a rank ends without a result, the
    others are ended too, and the attempt ends as this rank did. Orders go to all ranks.

    Args:
        evaluator: Evaluator of single processes. It must fill its free workers in the same order each time, so that
            the ranks of a trial stay neighbours.
        ranks: Number of ranks of a trial.

    Example::

        two_of_four = RankGroups(ProcessEvaluator(context, EvaluatorSettings(num_workers=4)), ranks=2)
    """

    def __init__(self, evaluator: Evaluator, ranks: int) -> None:
        self._evaluator, self._ranks = evaluator, ranks
        each = evaluator.worker_takes
        self.worker_takes = f"{ranks} processes of {each}" if each else f"{ranks} processes"
        self._groups: dict[tuple[int, int], _Group] = {}  # by trial and attempt

    @property
    def num_workers(self) -> int:  # type: ignore[override]
        """Number of trials that run at a time."""
        return self._evaluator.num_workers // self._ranks

    def start(self, assignment: Assignment) -> None:
        """Start all ranks of an attempt."""
        self._groups[assignment.trial, assignment.attempt] = _Group()
        for rank in range(self._ranks):
            folder = folder_of(assignment.folder, rank)
            self._evaluator.start(replace(assignment, folder=folder, rank=rank, world_size=self._ranks))

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events of whole attempts.

        Raises:
            NoWorkersLeft: If fewer workers are left than a trial has ranks.
        """
        if not self._groups and not self.num_workers:
            raise NoWorkersLeft(f"fewer workers are left than the {self._ranks} ranks of a trial")
        events: list[Event] = []
        for event in self._evaluator.wait(timeout):
            if not isinstance(event, Ended):
                events.append(event)
            elif (end := self._end_of(event)) is not None:
                events.append(end)
        return events

    def stop(self, trial: int, after: int) -> None:
        """Answer a trial's next report of a later step with a stop; its first rank tells the others."""
        self._evaluator.stop(trial, after)

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End all ranks of a trial."""
        for (number, _), group in self._groups.items():
            if number == trial:
                group.sentence = group.sentence or state
        self._evaluator.kill(trial, state, reason, patience)

    def close(self) -> None:
        """End everything."""
        self._evaluator.close()

    def _end_of(self, event: Ended) -> Ended | None:
        """Handle the end of a rank; return the end of the attempt if it was the last rank."""
        key = event.trial, event.attempt
        group = self._groups[key]
        group.ends[event.rank] = event
        if len(group.ends) == self._ranks:
            del self._groups[key]
            return _end_of_attempt(group)
        if not group.is_ending and (event.rank == 0 or event.state not in ENDED_WELL):
            group.is_ending = True
            why = f"rank {event.rank} has ended: {event.in_words()}"
            self._evaluator.kill(event.trial, State.PAUSED, why, PATIENCE_SECONDS)
        return None


def _end_of_attempt(group: _Group) -> Ended:
    """Return the end of an attempt from the ends of its ranks, which are in the order of their arrival."""
    first = group.ends[0]
    if first.state in ENDED_WELL or first.state is group.sentence:
        return first
    own = [end for end in group.ends.values() if end.state not in (*ENDED_WELL, State.PAUSED)] or [first]
    told = min(own, key=_weight)
    if told.rank == 0:
        return first
    return replace(told, rank=0, facts=first.facts, reason=f"rank {told.rank}: {told.reason}")


def _weight(end: Ended) -> int:
    """Return how well an end explains the other ends; smaller is better."""
    if end.state in MACHINE:
        return 0
    return 1 if end.cause in (Cause.SIGNAL, Cause.EXIT) else 2
