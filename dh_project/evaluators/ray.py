"""The ``ray`` evaluator: workers as Ray actors, on this machine or on every node of a Ray cluster."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dh_project.common.cores import available_cores
from dh_project.common.errors import UserError
from dh_project.evaluators.base import Evaluator, NoWorkersLeft, event_of, lost
from dh_project.evaluators.placement import (
    Capacity,
    cores_per_process,
    gpus_per_process,
    in_words,
    processes_on_node,
)
from dh_project.evaluators.ray_cluster import OwnCluster, connect, knock
from dh_project.evaluators.settings import EvaluatorSettings, check_workers_here
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended, Event
from dh_project.trial.gpus import visible_gpus
from dh_project.trial.trial import State
from dh_project.worker.worker_process import WorkerProcess

KNOCK_SECONDS = 5.0
"""Seconds between two checks whether the cluster's head answers."""

GONE_SECONDS = 30.0
"""Seconds without an answer after which the head counts as gone. Ray itself would end this process after 60 s."""


class WorkerActor:
    """Ray actor that holds a worker. Ray chooses its node and its GPUs, and sets the environment accordingly."""

    def __init__(self, context: RunContext, threads: int, environment: dict[str, str]) -> None:
        self.worker = WorkerProcess(context, threads, environment)
        self.attempt = (-1, -1)  # trial and attempt that were started last
        self.orders: dict[tuple[int, int], list[tuple[Any, ...]]] = {}  # for attempts that are about to start

    def ready(self) -> None:
        """Return, which shows that the actor has started."""

    def run(self, assignment: Assignment) -> Iterator[dict[str, Any]]:
        """Run one attempt at a trial and yield the worker's messages; the last one is its end."""
        self.worker.run(assignment)
        self.attempt = (assignment.trial, assignment.attempt)
        for name, *more in self.orders.pop(self.attempt, []):
            getattr(self.worker, name)(*self.attempt, *more)
        while (messages := self.worker.read()) is not None:
            for message in messages:
                yield {**message, "worker": self.worker.name}
                if message["event"] == "end":
                    return
        raise RuntimeError(self.worker.why_it_died())

    def order(self, name: str, trial: int, attempt: int, *more: Any) -> None:
        """Stop or kill the attempt that runs or is about to start; repeated orders have no further effect."""
        if self.attempt != (trial, attempt):
            self.orders.setdefault((trial, attempt), []).append((name, *more))
        getattr(self.worker, name)(trial, attempt, *more)

    def close(self) -> None:
        """Close the worker."""
        self.worker.close()


class RayEvaluator(Evaluator):
    """Runs each trial in a worker that Ray places on a node of its cluster, with the GPUs that Ray assigns.

    Args:
        context: What all trials share.
        settings: The shape of a trial, the number of workers and the cluster.

    Raises:
        UserError: If the cluster cannot be reached, or holds less than is asked for.

    Example::

        settings = EvaluatorSettings(TrialShape(cores=4, gpus=0.5), ray_address="auto")
        with RayEvaluator(context, settings) as evaluator:
            ...
    """

    def __init__(self, context: RunContext, settings: EvaluatorSettings) -> None:
        import ray

        self._ray, self._context = ray, context
        self._own = _connect(ray, settings)
        try:
            self.num_workers, self._cores, share = _place(ray, settings)
        except UserError:
            self._disconnect()
            raise
        self._actor_class = ray.remote(WorkerActor).options(
            num_cpus=self._cores,
            num_gpus=share,
            max_concurrency=2,  # for orders while ``run`` is active
            max_restarts=0,  # the search starts the trial of a lost actor again
        )
        self.worker_takes = in_words(self._cores, share)
        self._environment = {} if share else {"CUDA_VISIBLE_DEVICES": ""}
        self._coming: dict[Any, Any] = {}  # result of ``ready`` -> actor
        self._idle: list[Any] = []
        self._streams: dict[Any, tuple[Any, Assignment]] = {}  # stream of messages -> actor, attempt
        # If a node vanishes there are fewer actors than slots, and attempts wait for a free one.
        self._queue: deque[Assignment] = deque()
        self._stops: dict[tuple[int, int], int] = {}  # orders for attempts that wait
        self._events: list[Event] = []
        self._head = ray.get_runtime_context().gcs_address
        self._knocked_at = self._head_seen_at = time.monotonic()
        for _ in range(self.num_workers):
            self._spawn()

    def start(self, assignment: Assignment) -> None:
        """Start one attempt at a trial in the first free actor."""
        self._queue.append(assignment)
        self._serve()

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events since the last call, after waiting at most ``timeout`` seconds for the first one.

        Raises:
            NoWorkersLeft: If the cluster's head is gone, so that no worker can be started.
        """
        if not self._is_head_there():
            raise NoWorkersLeft(f"the head of the Ray cluster at {self._head} is gone")
        awaited = [*self._streams, *self._coming]
        timeout = 0.0 if self._events else timeout
        ready, _ = self._ray.wait(awaited, num_returns=1, timeout=timeout, fetch_local=False)
        if ready:  # take all that are ready
            ready, _ = self._ray.wait(awaited, num_returns=len(awaited), timeout=0, fetch_local=False)
        for one in ready:
            if one in self._coming:
                self._welcome(one)
            else:
                self._hear(one)
        self._serve()
        events, self._events = self._events, []
        return events

    def stop(self, trial: int, after: int) -> None:
        """Answer a trial's next report of a later step with a stop."""
        for waiting in self._queue:
            if waiting.trial == trial:  # the order precedes the actor that will run it
                self._stops[trial, waiting.attempt] = after
        self._order("stop", trial, after)

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End a trial's running attempt."""
        for assignment in [each for each in self._queue if each.trial == trial]:
            self._queue.remove(assignment)
            self._events.append(Ended(trial, assignment.attempt, state, reason=reason, rank=assignment.rank))
        self._order("kill", trial, str(state), reason, patience)

    def close(self) -> None:
        """End all trials, and the cluster if it was started here."""
        if not self._ray.is_initialized():
            return
        if self._head_seen_at < self._knocked_at:
            self._abandon()
            return
        actors = [*self._idle, *(actor for actor, _ in self._streams.values())]
        closing = [actor.close.remote() for actor in actors]
        self._ray.wait(closing, num_returns=len(closing), timeout=10)
        for actor in [*actors, *self._coming.values()]:
            self._ray.kill(actor)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._own is not None:
            self._own.close()
        else:
            self._ray.shutdown()

    def _is_head_there(self) -> bool:
        """Connect to the cluster's head from time to time; return whether it has answered lately."""
        now = time.monotonic()
        if now - self._knocked_at >= KNOCK_SECONDS:
            self._knocked_at = now
            with suppress(OSError):
                knock(self._head, timeout=2.0)
                self._head_seen_at = now
        return now - self._head_seen_at < GONE_SECONDS

    def _abandon(self) -> None:
        """Close the workers that can be reached directly, because there is no head to end them."""
        for actor in [*self._idle, *(actor for actor, _ in self._streams.values())]:
            actor.close.remote()
        time.sleep(1.0)

    def _spawn(self) -> None:
        actor: Any = self._actor_class.remote(self._context, self._cores, self._environment)
        self._coming[actor.ready.remote()] = actor

    def _serve(self) -> None:
        """Give waiting attempts to free actors."""
        actors = len(self._idle) + len(self._coming) + len(self._streams)
        for _ in range(min(len(self._queue) - len(self._coming), self.num_workers - actors)):
            self._spawn()  # in place of an actor that died
        while self._queue and self._idle:
            actor, assignment = self._idle.pop(), self._queue.popleft()
            stream = actor.run.options(num_returns="streaming").remote(assignment)
            self._streams[stream] = (actor, assignment)
            if (after := self._stops.pop((assignment.trial, assignment.attempt), None)) is not None:
                self._order("stop", assignment.trial, after)

    def _welcome(self, told: Any) -> None:
        """Add a started actor to the free ones; if it died during its start, an attempt is lost with it."""
        actor = self._coming.pop(told)
        try:
            self._ray.get(told)
        except self._ray.exceptions.RayError as error:
            if self._queue:
                self._events.append(_lost_with_actor(self._queue.popleft(), error))
        else:
            self._idle.append(actor)

    def _order(self, name: str, trial: int, *more: Any) -> None:
        for actor, assignment in self._streams.values():
            if assignment.trial == trial:
                actor.order.remote(name, trial, assignment.attempt, *more)

    def _hear(self, stream: Any) -> None:
        """Handle the next message of an attempt."""
        actor, assignment = self._streams[stream]
        try:
            message = self._ray.get(next(stream))
        except (StopIteration, self._ray.exceptions.RayError, RuntimeError) as error:
            del self._streams[stream]
            self._ray.kill(actor)
            self._events.append(_lost_with_actor(assignment, error))
            return
        event = event_of(message, message.pop("worker"))
        if event is not None:
            self._events.append(event)
        if isinstance(event, Ended):
            del self._streams[stream]
            self._idle.append(actor)


def _lost_with_actor(assignment: Assignment, error: Exception) -> Ended:
    why = str(error).strip().splitlines()[-1] if str(error) else "its actor ended"
    return lost(assignment, "ray", f"its Ray actor died: {why}")


def _connect(ray: Any, settings: EvaluatorSettings) -> OwnCluster | None:
    """Connect to the cluster at the address, or start one on this machine and return it.

    Raises:
        UserError: The cluster cannot be reached, or this process is connected to one already.
    """
    if ray.is_initialized():
        raise UserError(
            "--evaluator ray: this program is already connected to a Ray cluster; call ray.shutdown() first, or use "
            "--evaluator process"
        )
    if settings.ray_address:
        connect(ray, settings.ray_address, settings.ray_password)
        return None
    check_workers_here(settings)
    gpus = visible_gpus() if settings.shape.gpus != 0 else []
    cores = max(available_cores(), (settings.num_processes or 1) * (settings.shape.cores or 1))
    return OwnCluster(ray, cores, len(gpus))


def _place(ray: Any, settings: EvaluatorSettings) -> tuple[int, int, float]:
    """Return the number of workers to start on the cluster, and the cores and GPUs of each."""
    shape = settings.shape
    have = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [Capacity((int(node.get("CPU", 0)),), int(node.get("GPU", 0))) for node in have]
    cpus, gpus = sum(node.cores for node in nodes), sum(node.gpus for node in nodes)
    share = gpus_per_process(shape.gpus, max(node.gpus for node in nodes))
    with_gpus = [node for node in nodes if node.gpus >= share]
    held = [processes_on_node(node, replace(shape, gpus=share)) for node in with_gpus]
    shares = [
        cores_per_process(node.sockets, count) for node, count in zip(with_gpus, held, strict=True) if count
    ]
    cores = shape.cores or min(shares, default=1)
    wanted = settings.num_processes or sum(held)
    if not 0 < wanted <= sum(held):
        asked = f"--num-workers {settings.num_workers}" if settings.num_workers else "--evaluator ray"
        raise UserError(
            f"{asked}: the Ray cluster ({cpus} cores, {gpus} GPUs) holds {sum(held)} trials of "
            f"{cores} cores and {share:g} GPU; lower it, or what a trial takes"
        )
    free = int(ray.available_resources().get("CPU", 0))
    if free < wanted * cores:
        print(
            f"the Ray cluster has {free} of its {cpus} cores free: trials start when others end",
            file=sys.stderr,
        )
    return wanted, cores, share
