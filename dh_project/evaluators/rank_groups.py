"""Trials of several processes: each attempt is carried by several workers of an evaluator at once, one a rank."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dh_project.evaluators.base import Evaluator, NoWorkersLeft
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Ended, Event
from dh_project.trial.ranks import folder_of
from dh_project.trial.trial import Cause, State

PATIENCE_SECONDS = 5.0
"""After the first rank has its result, or one has failed, the others have so long to return."""

ENDED_WELL = (State.DONE, State.STOPPED)

MACHINE = (State.LOST, State.MEMORY, State.TIMEOUT)
"""Ends that explain those of the other ranks, which then fail for want of this one."""


@dataclass
class _Group:
    """The ranks of an attempt that runs."""

    ends: dict[int, Ended] = field(default_factory=dict)
    is_ending: bool = False  # since one has ended
    sentence: State | None = None  # from outside


class RankGroups(Evaluator):
    """Runs each attempt as several processes, which train together (``dh_project.trial.ranks``).

    The first rank's reports, facts and objective are the trial's. A rank that ends without a result ends the others,
    and the attempt as it did. Orders go to all ranks.

    Args:
        evaluator: Runs single processes. It fills its free workers in the same order each time, so that the ranks
            of a trial stay neighbours.
        ranks: Of a trial.
    """

    def __init__(self, evaluator: Evaluator, ranks: int) -> None:
        self._evaluator, self._ranks = evaluator, ranks
        each = evaluator.worker_takes
        self.worker_takes = f"{ranks} processes of {each}" if each else f"{ranks} processes"
        self._groups: dict[tuple[int, int], _Group] = {}  # by trial and attempt

    @property
    def num_workers(self) -> int:  # type: ignore[override]
        """How many trials it runs at a time."""
        return self._evaluator.num_workers // self._ranks

    def start(self, assignment: Assignment) -> None:
        """Start all ranks of an attempt."""
        self._groups[assignment.trial, assignment.attempt] = _Group()
        for rank in range(self._ranks):
            folder = folder_of(assignment.folder, rank)
            self._evaluator.start(replace(assignment, folder=folder, rank=rank, world_size=self._ranks))

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return what has happened to whole attempts.

        Raises:
            NoWorkersLeft: Fewer workers are left than a trial has ranks.
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
        """Let a trial's next report above a step be answered with a stop; its first rank tells the others."""
        self._evaluator.stop(trial, after)

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """Ask for the end of all ranks of a trial."""
        for (number, _), group in self._groups.items():
            if number == trial:
                group.sentence = group.sentence or state
        self._evaluator.kill(trial, state, reason, patience)

    def close(self) -> None:
        """End everything."""
        self._evaluator.close()

    def _end_of(self, event: Ended) -> Ended | None:
        """Count the end of a rank; return that of the attempt where it was the last one."""
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
    """Return the end of an attempt from those of its ranks, in the order in which they came."""
    first = group.ends[0]
    if first.state in ENDED_WELL or first.state is group.sentence:
        return first
    own = [end for end in group.ends.values() if end.state not in (*ENDED_WELL, State.PAUSED)] or [first]
    told = min(own, key=_weight)
    if told.rank == 0:
        return first
    return replace(told, rank=0, facts=first.facts, reason=f"rank {told.rank}: {told.reason}")


def _weight(end: Ended) -> int:
    """Return how well an end explains the others, the best first."""
    if end.state in MACHINE:
        return 0
    return 1 if end.cause in (Cause.SIGNAL, Cause.EXIT) else 2
