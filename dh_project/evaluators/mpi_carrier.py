"""What the ranks of an MPI job do that do not search: each carries a worker for rank 0."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.evaluators.mpi_world import ALIVE_SECONDS, Pace, World
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import RunContext
from dh_project.trial.events import Event
from dh_project.trial.gpus import gpu_variable, visible_gpus
from dh_project.trial.ranks import forget_ranks

DRIVER_SECONDS = 600.0
"""A rank that hears nothing of rank 0 for so long ends its trial and leaves."""

PREPARING_SECONDS = 6 * 3600.0
"""Before it is asked for its machine it waits so long: rank 0 may first prepare a large data set."""


class Carrier:
    """What a rank other than the first does: it carries a worker, until rank 0 says to leave.

    Args:
        world: All ranks.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._evaluator: ProcessEvaluator | None = None
        self._has_left = False

    def carry(self) -> int:
        """Take orders and send what comes of them; return the exit status, 1 where rank 0 has fallen silent."""
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
        """Do what rank 0 says; an order to a worker that is closed is over."""
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
        """Start this rank's worker, with these GPUs (None: with what its launcher has given it)."""
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
    for number in (signal.SIGINT, signal.SIGTERM):  # these are for rank 0, which ends the trials in order
        signal.signal(number, signal.SIG_IGN)
    return Carrier(world).carry()


def begin(context: RunContext, settings: EvaluatorSettings, gpus: list[str] | None) -> ProcessEvaluator:
    """Start this rank's worker, with these GPUs (None: with what its launcher has given it)."""
    forget_ranks(os.environ)
    if gpus is not None:
        os.environ[gpu_variable()] = ",".join(gpus)
    return ProcessEvaluator(context, settings)
