"""The ranks of an MPI job other than the first: each carries a worker for rank 0."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.common.signals import NUMBERS
from dh_project.evaluators.mpi_world import ALIVE_SECONDS, Pace, World
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import RunContext
from dh_project.trial.events import Event
from dh_project.trial.gpus import gpu_variable, visible_gpus
from dh_project.trial.ranks import forget_ranks

DRIVER_SECONDS = 600.0
"""A rank that gets no message of rank 0 for so many seconds ends its trial and exits."""

PREPARING_SECONDS = 6 * 3600.0
"""Seconds that a rank waits for the first message: rank 0 may have to prepare a large data set."""


class Carrier:
    """Carries a worker for rank 0 until it is told to leave.

    Args:
        world: All ranks.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._evaluator: ProcessEvaluator | None = None
        self._has_left = False

    def carry(self) -> int:
        """Carry out orders and send events; return the exit status, which is 1 if rank 0 has fallen silent."""
        pace, told_at = Pace(), time.monotonic()
        heard_at, patience = told_at, PREPARING_SECONDS
        try:
            while time.monotonic() - heard_at < patience and not self._has_left:
                events = self._wait(pace.seconds)
                for event in events:
                    self._world.send(0, "event", event)
                orders = [message for _, message in self._world.received()]
                for order in orders:
                    self._obey(*order)
                now = time.monotonic()
                if orders:
                    heard_at, patience = now, DRIVER_SECONDS
                if now - told_at >= ALIVE_SECONDS:
                    told_at = now
                    self._world.send(0, "alive")
                pace.after(events or orders)
            return int(not self._has_left)
        finally:
            self._close()
            self._world.send(0, "left")

    def _wait(self, seconds: float) -> list[Event]:
        if self._evaluator is not None:
            return self._evaluator.wait(seconds)
        time.sleep(seconds)
        return []

    def _obey(self, order: str, *details: Any) -> None:
        """Carry out an order of rank 0; orders to a worker that is closed are ignored."""
        match order:
            case "leave":
                self._has_left = True
            case "who":
                self._world.send(0, "here", os.uname().nodename, visible_gpus())
            case "begin":
                self._begin(*details)
            case "close" if self._evaluator is not None:
                self._close()
                self._world.send(0, "closed")
            case "start" | "stop" | "kill" if self._evaluator is not None:
                getattr(self._evaluator, order)(*details)

    def _begin(self, context: RunContext, settings: EvaluatorSettings, gpus: list[str] | None) -> None:
        """Start this rank's worker with the given GPUs, or with those that its launcher has given it (None)."""
        try:
            self._evaluator = begin(context, settings, gpus)
        except (OSError, UserError) as error:
            self._world.send(0, "failed", f"cannot start a worker: {one_line(error)}")

    def _close(self) -> None:
        if self._evaluator is not None:
            self._evaluator.close()
            self._evaluator = None


def carry(world: World) -> int:
    """Carry a worker for rank 0 until it says to leave; return the exit status."""
    for number in NUMBERS:  # rank 0 handles them, and ends the trials in order
        signal.signal(number, signal.SIG_IGN)
    return Carrier(world).carry()


def begin(context: RunContext, settings: EvaluatorSettings, gpus: list[str] | None) -> ProcessEvaluator:
    """Start this rank's worker with the given GPUs, or with those that its launcher has given it (None)."""
    forget_ranks(os.environ)
    if gpus is not None:
        os.environ[gpu_variable()] = ",".join(gpus)
    return ProcessEvaluator(context, settings)
