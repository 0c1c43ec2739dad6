"""The ``mpi`` evaluator: a worker on each rank of an MPI job."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from dataclasses import replace

from dh_project.common.errors import UserError
from dh_project.evaluators.base import Evaluator, NoWorkersLeft, lost
from dh_project.evaluators.mpi_carrier import begin
from dh_project.evaluators.mpi_slots import Ranks, slots_of
from dh_project.evaluators.mpi_world import ALIVE_SECONDS, Message, Pace, World, open_world
from dh_project.evaluators.placement import in_words
from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended, Event
from dh_project.trial.gpus import visible_gpus
from dh_project.trial.trial import State

HERE_SECONDS = 120.0
"""Seconds that ranks have to answer first: imports from a shared file system may be slow."""

CLOSING_SECONDS = 15.0


class MPIEvaluator(Evaluator):
    """Runs each trial in the worker of a rank.

    A rank that sends nothing for ``settings.rank_timeout`` seconds is given up: its trial is lost, and gets another
    attempt on another rank. If the rank sends messages again, it is used again. If a rank dies, most launchers end
    all others too; the search then continues when it is started again.

    Args:
        world: The ranks, of which this process is the first.
        context: What all trials share.
        settings: The shape of a trial, and the number of workers. By default each rank takes one GPU, or one core if
            there are no GPUs.

    Raises:
        UserError: If the ranks hold less than is asked for.
    """

    spreads_trials = True

    def __init__(self, world: World, context: RunContext, settings: EvaluatorSettings) -> None:
        self._world, self._silence = world, settings.rank_timeout
        slots = slots_of(_nodes(world), settings)
        self._slots = {slot.rank: slot for slot in slots}
        one_process = replace(settings.shape, processes=1, nodes=1)
        share = replace(settings, shape=one_process, num_workers=1)
        self.worker_takes = "" if settings.shape.cores is None else in_words(settings.shape.cores)
        self._own: ProcessEvaluator | None = None
        for slot in slots:
            gpus = None if slot.gpus is None else list(slot.gpus)
            if slot.rank == 0:
                self._own = begin(context, share, gpus)
            else:
                world.send(slot.rank, "begin", context, share, gpus)
        self._free = [slot.rank for slot in slots]  # in the order of the slots
        self._order = {slot.rank: place for place, slot in enumerate(slots)}
        self._running: dict[int, Assignment] = {}  # by rank
        self._silent: dict[int, Assignment | None] = {}  # ranks that were given up, and their attempts
        self._heard_at = dict.fromkeys(self._slots.keys() - {0}, time.monotonic())
        self._told_at = self._looked_at = time.monotonic()
        self._pace = Pace()

    @classmethod
    def create(cls, context: RunContext, settings: EvaluatorSettings) -> MPIEvaluator:
        """Start an evaluator on the ranks of this MPI job, whose ``World`` must be open."""
        return cls(open_world(), context, settings)

    @property
    def num_workers(self) -> int:  # type: ignore[override]
        """Number of trials that run at a time: one for each rank that answers."""
        return len(self._slots) - len(self._silent)

    def start(self, assignment: Assignment) -> None:
        """Start one attempt at a trial on the first free rank."""
        rank = self._free.pop(0)
        self._running[rank] = assignment
        self._order_to(rank, "start", assignment)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events since the last call, after waiting at most ``timeout`` seconds for the first one.

        Raises:
            NoWorkersLeft: If no rank answers any more.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while True:
            left = self._pace.seconds if limit is None else min(self._pace.seconds, limit - time.monotonic())
            events = self._of_own(max(0.0, left))
            for source, message in self._world.received():
                events += self._hear(source, message)
            self._send_alive()
            events += self._give_up_the_silent()
            self._pace.after(events)
            if events or (limit is not None and time.monotonic() >= limit):
                return events
            if not self.num_workers:
                raise NoWorkersLeft("no rank is left that carries trials")

    def stop(self, trial: int, after: int) -> None:
        """Answer a trial's next report of a later step with a stop."""
        for rank in self._ranks_of(trial):
            self._order_to(rank, "stop", trial, after)

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End a trial's running attempt."""
        for rank in self._ranks_of(trial):
            self._order_to(rank, "kill", trial, state, reason, patience)

    def close(self) -> None:
        """End all trials. The ranks stay, because the job has not ended."""
        open_ones = self._slots.keys() - self._silent.keys() - {0}
        for rank in open_ones:
            self._world.send(rank, "close")
        if self._own is not None:
            self._own.close()
        limit = time.monotonic() + CLOSING_SECONDS
        while open_ones and time.monotonic() < limit:
            open_ones -= {source for source, message in self._world.received() if message[0] == "closed"}
            time.sleep(self._pace.seconds)
        self._slots, self._own = {}, None

    def _ranks_of(self, trial: int) -> list[int]:
        return [rank for rank, assignment in self._running.items() if assignment.trial == trial]

    def _order_to(self, rank: int, do: str, *more: object) -> None:
        if rank == 0:
            getattr(self._own, do)(*more)
        else:
            self._world.send(rank, do, *more)

    def _of_own(self, seconds: float) -> list[Event]:
        """Wait for this rank's own worker, if it has one, and return its events."""
        if self._own is None:
            time.sleep(seconds)
            return []
        events = self._own.wait(seconds)
        return [event for event in events if self._count(0, event)]

    def _hear(self, rank: int, message: Message) -> list[Event]:
        """Handle a message of a rank; return its event, if it has one for the search."""
        if rank not in self._slots:
            return []
        if message[0] == "left":
            return self._do_without(rank, "has left")
        self._heard_at[rank] = time.monotonic()
        event = message[1] if message[0] == "event" else None
        if message[0] == "failed":
            return self._do_without(rank, str(message[1]))
        if rank in self._silent:
            self._hear_again(rank, event)
            return []
        return [event] if event is not None and self._count(rank, event) else []

    def _count(self, rank: int, event: Event) -> bool:
        """Return whether an event belongs to the attempt that runs on a rank; if it is the end, free the rank."""
        running = self._running.get(rank)
        if running is None or (running.trial, running.attempt) != (event.trial, event.attempt):
            return False
        if isinstance(event, Ended):
            del self._running[rank]
            self._set_free(rank)
        return True

    def _set_free(self, rank: int) -> None:
        self._free = sorted([*self._free, rank], key=self._order.__getitem__)

    def _send_alive(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= ALIVE_SECONDS:
            self._told_at = now
            for rank in range(1, self._world.size):
                self._world.send(rank, "alive")

    def _give_up_the_silent(self) -> list[Event]:
        """Give up ranks that were silent for too long; return the ends of their attempts."""
        now = time.monotonic()
        since, self._looked_at = now - self._looked_at, now
        if since > ALIVE_SECONDS:
            # this rank was busy, and has not yet read all messages of the others
            self._heard_at = {rank: heard + since for rank, heard in self._heard_at.items()}
        limit = now - self._silence
        silent = [
            rank for rank, heard in self._heard_at.items() if heard < limit and rank not in self._silent
        ]
        why = f"has sent nothing for {self._silence:g} s"
        return [event for rank in silent for event in self._give_up(rank, why)]

    def _give_up(self, rank: int, why: str) -> list[Event]:
        """Give up a rank; return the end of its attempt."""
        who = f"rank {rank} on {self._slots[rank].node} {why}"
        print(f"{who}; the search goes on without it", file=sys.stderr)
        self._silent[rank] = assignment = self._running.pop(rank, None)
        if assignment is not None:
            return [lost(assignment, self._slots[rank].node, who)]
        self._free.remove(rank)
        return []

    def _do_without(self, rank: int, why: str) -> list[Event]:
        """Remove a rank that reports that it has no worker; it is never used again."""
        events = [] if rank in self._silent else self._give_up(rank, why)
        del self._slots[rank], self._silent[rank], self._heard_at[rank]
        return events

    def _hear_again(self, rank: int, event: Event | None) -> None:
        """Use a rank again that was given up, once its earlier attempt has ended."""
        late = self._silent[rank]
        if late is not None and not (isinstance(event, Ended) and event.trial == late.trial):
            self._world.send(rank, "kill", late.trial, State.LOST, "it was given up", 0.0)
            return
        del self._silent[rank]
        self._set_free(rank)


def _nodes(world: World) -> dict[str, Ranks]:
    """Return the ranks of each machine, by its name, each with the GPUs that it sees.

    Raises:
        UserError: If some ranks do not answer.
    """
    for rank in range(1, world.size):
        world.send(rank, "who")
    found = {0: (os.uname().nodename, visible_gpus())}
    limit = time.monotonic() + HERE_SECONDS
    while len(found) < world.size and time.monotonic() < limit:
        for source, message in world.received():
            if message[0] == "here":
                found[source] = (message[1], message[2])
        time.sleep(0.002)
    if missing := sorted(set(range(world.size)) - found.keys()):
        raise UserError(
            f"--evaluator mpi: ranks {', '.join(map(str, missing))} do not answer after {HERE_SECONDS:g} s; check "
            "their machines, or start fewer ranks"
        )
    nodes: dict[str, Ranks] = defaultdict(list)
    for rank in sorted(found):
        node, gpus = found[rank]
        nodes[node].append((rank, gpus))
    return nodes
