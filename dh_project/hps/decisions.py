"""Keeps the decisions of a stopper: which trials it stops for good, and what a free worker does next."""

from __future__ import annotations

import logging
from typing import Any

from dh_project.hps.stoppers.base import Move, Stopper
from dh_project.results.history import History
from dh_project.results.journal import Record
from dh_project.trial.trial import State

log = logging.getLogger("dh_project")


class Decisions:
    """Tells a stopper what is recorded, and keeps its decisions. If the stopper fails, the trials go on without it.

    Args:
        stopper: The stopper; None stops and parks no trial.

    Attributes:
        steps: By the id of each trial that the stopper stops, the step of the decisive report. A trial that is to be
            stopped is so in all of its attempts.
    """

    def __init__(self, stopper: Stopper | None) -> None:
        self.stopper = stopper
        self.steps: dict[int, int] = {}

    @property
    def origin(self) -> str:
        """Origin of the trials that the stopper makes."""
        return self.stopper.name if self.stopper else ""

    def why_enough(self) -> str:
        """Return why the stopper resumes no more trials; empty if it does not say."""
        return self.stopper.why_enough() if self.stopper else ""

    def hear(self, record: Record, history: History) -> None:
        """Tell the stopper of a record, which has been applied to the history."""
        kind = record["kind"]
        if self.stopper is None or kind not in ("start", "report", "end"):
            return
        trial = history.trials[record["trial"]]
        if kind == "start":
            self._call(self.stopper.started, trial)
        elif kind == "end" and record["state"] != State.PAUSED:
            self._call(self.stopper.ended, trial)
        elif kind == "report" and self._call(self.stopper.goes_on, trial) is False:
            self.steps.setdefault(trial.id, record["step"])

    def next_move(self, history: History, room: bool) -> Move | None:
        """Return what a free worker does next; None if it is to wait.

        Args:
            history: The state of the search.
            room: Whether another new trial may start.
        """
        stopper = self.stopper
        if stopper is None or not stopper.parks:
            parked = next(iter(history.parked), None)  # by another stopper, in an earlier session
            return Move(trial=parked) if parked is not None else Move() if room else None
        move: Move | None = self._call(stopper.next_move, room)
        if move is None or (room if move.trial is None else move.trial in history.parked):
            return move
        log.error("the stopper's move is impossible: %s", move)
        return None

    def _call(self, method: Any, argument: Any) -> Any:
        try:
            return method(argument)
        except Exception:
            log.exception("the stopper failed in %s", method.__name__)
            return None
