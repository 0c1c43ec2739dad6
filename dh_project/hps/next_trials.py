"""Chooses the trials for free workers: interrupted ones, then missing replicates, then what the stopper says."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from dh_project.hps.decisions import Decisions
from dh_project.hps.proposals import Proposals
from dh_project.problem import HpProblem
from dh_project.results.history import History
from dh_project.trial.trial import STARTING_POINT, Trial


class NextTrial(NamedTuple):
    """A trial to start, and the step at which it parks."""

    trial: Trial
    until: int | None


class NextTrials:
    """Chooses the trials for free workers.

    Args:
        problem: The space and its starting points.
        proposals: Stock of proposals.
        decisions: The stopper's decisions.
        history: The state of the search.
        max_evals: Number of points, over all sessions; infinite for no limit.
        replicates: Number of trials of each point.

    Attributes:
        lacks_point: Whether a worker waits for a proposal.
    """

    def __init__(
        self,
        problem: HpProblem,
        proposals: Proposals,
        decisions: Decisions,
        history: History,
        max_evals: float,
        replicates: int = 1,
    ) -> None:
        self._first, self._proposals, self._decisions = problem.starting_points, proposals, decisions
        self._history, self._most, self._replicates = history, max_evals, replicates
        points = (
            sorted({trial.first_replicate for trial in history.trials.values()}) if replicates > 1 else []
        )
        self._too_few = deque(points[: int(min(max_evals, len(points)))])  # points that may need more trials
        self.lacks_point = False

    def is_exhausted(self) -> bool:
        """Return whether no trial is running and none is left to start."""
        history = self._history
        if history.running or self._can_continue() or self._next_replicate() is not None:
            return False
        return self._decisions.next_move(history, self._has_room()) is None

    def why_exhausted(self) -> str:
        """Return in words that no trial is left to start, and why the parked ones are not resumed."""
        waiting, parked = len(self._history.paused), len(self._history.parked)
        said = "all trials have ended" + (f" but {waiting} that wait for a larger total" if waiting else "")
        if not parked:
            return said
        why = self._decisions.why_enough()
        return f"{said} or are parked ({parked})" + (f": {why}" if why else "")

    def choose(self, free: int) -> Iterator[NextTrial]:
        """Yield a trial for each free worker. The caller records the start of each before it asks for the next."""
        history, used = self._history, 0
        self.lacks_point = False
        while used < free and self._can_continue():
            trial = next(iter(history.paused.values()))
            yield NextTrial(trial, trial.until)
            used += 1
        while used < free:
            if (replicate := self._next_replicate()) is not None:
                yield NextTrial(replicate, None)
                used += 1
                continue
            move = self._decisions.next_move(history, self._has_room())
            if move is None:
                break
            if move.trial is not None:
                trial = history.trials[move.trial]
            elif move.point is not None:
                trial = self._new(dict(move.point), self._decisions.origin)
                if move.parent is not None:
                    trial.parent = move.parent
                    trial.parent_attempt = move.parent_attempt or history.trials[move.parent].attempt
            elif (found := self._next_point()) is not None:
                trial = self._new(*found)
            else:
                self.lacks_point = True
                break
            yield NextTrial(trial, move.until)
            used += 1
        if self._has_room():
            number = max(0, history.points - len(self._first))
            self._proposals.tend(number, free - used if self.lacks_point else 0, history)

    def _can_continue(self) -> bool:
        """Return whether an interrupted trial may start. If the total was lowered, some wait for a larger one."""
        history = self._history
        most = self._most * self._replicates
        return bool(history.paused) and len(history.trials) - len(history.paused) < most

    def _has_room(self) -> bool:
        """Return whether a new point may start."""
        return self._history.points < self._most

    def _new(self, point: dict[str, object], origin: str) -> Trial:
        """Return the first trial of a new point."""
        number = len(self._history.trials)
        if self._replicates == 1:
            return Trial(number, point, origin)
        self._too_few.append(number)
        return Trial(number, point, origin, replicate_of=number)

    def _next_replicate(self) -> Trial | None:
        """Return another trial of the oldest point that has too few; None if all have enough."""
        history = self._history
        while self._too_few:
            first = history.trials[self._too_few[0]]
            if len(history.replicates.get(first.id, [first])) < self._replicates:
                return Trial(len(history.trials), dict(first.point), first.origin, replicate_of=first.id)
            self._too_few.popleft()
        return None

    def _next_point(self) -> tuple[dict[str, object], str] | None:
        """Return the next starting point or proposal with its origin; None if no proposal is ready."""
        number = self._history.points
        if number < len(self._first):
            return self._first[number], STARTING_POINT
        return self._proposals.take()
