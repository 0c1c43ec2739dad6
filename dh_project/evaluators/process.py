"""The ``process`` evaluator: workers on this machine."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator

from dh_project.common.cores import available_cores
from dh_project.common.errors import UserError
from dh_project.evaluators.base import Evaluator, event_of, lost
from dh_project.evaluators.placement import (
    Capacity,
    cores_per_process,
    gpus_of_slots,
    gpus_per_process,
    in_words,
    processes_on_gpus,
    processes_on_node,
    share_of_a_gpu,
)
from dh_project.evaluators.settings import EvaluatorSettings, check_workers_here
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended, Event
from dh_project.trial.gpus import gpu_variable, visible_gpus
from dh_project.trial.trial import State
from dh_project.worker.worker_process import WorkerProcess, close_workers


class ProcessEvaluator(Evaluator):
    """Runs each trial in a worker process on this machine, which sees only the GPUs of its trial.

    Args:
        context: What all trials share.
        settings: The shape of a trial and the number of workers: by default as many as the GPUs and cores that this
            process may use. A given number may exceed the cores, but never the GPUs.

    Raises:
        UserError: If the GPUs do not suffice, or the number of workers is absurd.
    """

    def __init__(self, context: RunContext, settings: EvaluatorSettings) -> None:
        self._context, shape = context, settings.shape
        check_workers_here(settings)
        gpus = [] if shape.gpus == 0 else visible_gpus()
        node = Capacity((available_cores(),), len(gpus))
        share = gpus_per_process(shape.gpus, len(gpus))
        self.num_workers = settings.num_processes or max(1, processes_on_node(node, shape))
        if share and self.num_workers > (held := processes_on_gpus(share, len(gpus))):
            raise UserError(
                f"--num-workers {settings.num_workers}: {len(gpus)} GPUs hold {held} trials of {share:g} GPU; "
                f"lower it, or share them with --num-gpus-per-task {share_of_a_gpu(self.num_workers, len(gpus)):g}"
            )
        self._threads = shape.cores or max(1, cores_per_process(node.sockets, self.num_workers))
        self.worker_takes = in_words(self._threads, share)
        self._gpus: list[str] | None = None  # by slot; None leaves the environment as it is
        if share:
            self._gpus = [",".join(of) for of in gpus_of_slots(share, gpus, self.num_workers)]
        elif shape.gpus == 0:
            self._gpus = [""] * self.num_workers
        self._selector = selectors.DefaultSelector()
        self._workers = [self._spawn(slot) for slot in range(self.num_workers)]
        self._dead: set[int] = set()  # slots whose worker has died
        self._running: dict[int, Assignment] = {}  # by slot
        self._unstarted: list[Event] = []

    def start(self, assignment: Assignment) -> None:
        """Start one attempt at a trial in a free worker."""
        slot = next(slot for slot in range(self.num_workers) if slot not in self._running)
        if slot in self._dead:
            try:
                self._workers[slot] = self._spawn(slot)
            except OSError as error:
                why = f"no worker could be started: {error}"
                self._unstarted.append(lost(assignment, os.uname().nodename, why))
                return
            self._dead.remove(slot)
        self._running[slot] = assignment
        self._workers[slot].run(assignment)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events since the last call, after waiting at most ``timeout`` seconds for the first one."""
        events, self._unstarted = self._unstarted, []
        ready = self._selector.select(0.0 if events else timeout)
        return events + [event for key, _ in ready for event in self._events_of(key.data)]

    def stop(self, trial: int, after: int) -> None:
        """Answer a trial's next report of a later step with a stop."""
        for worker, assignment in self._attempts(trial):
            worker.stop(trial, assignment.attempt, after)

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End a trial's running attempt."""
        for worker, assignment in self._attempts(trial):
            worker.kill(trial, assignment.attempt, state, reason, patience)

    def close(self) -> None:
        """End everything."""
        self._selector.close()
        workers, self._workers = self._workers, []
        close_workers(workers)

    def _attempts(self, trial: int) -> Iterator[tuple[WorkerProcess, Assignment]]:
        """Yield the running attempt at a trial, if there is one, with its worker."""
        for slot, assignment in self._running.items():
            if assignment.trial == trial:
                yield self._workers[slot], assignment

    def _spawn(self, slot: int) -> WorkerProcess:
        environment = {} if self._gpus is None else {gpu_variable(): self._gpus[slot]}
        worker = WorkerProcess(self._context, self._threads, environment)
        self._selector.register(worker.events, selectors.EVENT_READ, slot)
        return worker

    def _events_of(self, slot: int) -> list[Event]:
        """Return the events of a worker that has output; a dead worker is replaced when a trial needs it."""
        worker = self._workers[slot]
        messages = worker.read()
        if messages is not None:
            events = [event for message in messages if (event := event_of(message, worker.name))]
            if any(isinstance(event, Ended) for event in events):
                del self._running[slot]
            return events
        self._selector.unregister(worker.events)
        self._dead.add(slot)
        why = worker.why_it_died()
        assignment = self._running.pop(slot, None)
        return [lost(assignment, worker.name, why)] if assignment else []
