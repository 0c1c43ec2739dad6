"""Base class of evaluators, and their contract.

An evaluator sends attempts at trials to workers and brings their events back. It knows trials and machines, but no
searchers, and it writes no files: the search loop writes the journal, and the worker and the run function write to
the attempt's folder. Its only caller is the search loop, a single thread. The loop has at most ``num_workers``
trials in the evaluator at a time, each of them once. ``RunContext``, ``Assignment`` and events are frozen.
``dh_project.testing.evaluator.EvaluatorContract`` tests an evaluator against this contract.

``start`` hands over one attempt and returns at once. If the worker is dead, the evaluator replaces it.

``wait`` returns events. Those of one trial are in the order in which they happened; trials have no order among each
other. Every attempt that was started gets exactly one ``Ended``, after all of its ``Reported``, whatever happens.
After it the worker is free again. The state says how the attempt ended:

- ``done``: it returned a number before it was told to end.
- ``stopped``: ``stop`` told it to end, and it returned a number.
- ``parked``: its report of the step ``until`` of the assignment, or the first one of a later step, was answered with
  False, and it returned a number without a further report. If it went on to its end instead, it is ``done``.
- ``failed``: by its own fault, with a ``cause``. No other state has a cause.
- ``timeout``, ``memory``: it took more than its limit, or the system ran out of memory. All of its processes are
dead.
- ``lost``: its worker or machine vanished, its disk is full or broken, or a SIGTERM came from outside. This is not
the
  trial's fault, and the loop may start another attempt. If an event of a lost attempt arrives late, the loop ignores
  and logs it.
- the state that ``kill`` named.

``stop`` is the stopper's decision on the report of a step. The attempt's next report of a later step is answered with
False; no signal is sent. If there is no such report, the attempt ends as ``done``.

``kill`` makes an attempt end within ``patience`` seconds and a short grace period. From now on its reports are
answered with False, so that it can save a checkpoint and return. After ``patience`` seconds it gets a SIGTERM, and
after the grace period its processes get a SIGKILL. Once a report was answered with False or the SIGTERM was sent,
the attempt ends in the given state, whatever it returns; if it ended by itself before, its own end counts. A pause
is a kill with the state ``paused``: the next attempt continues from the checkpoint. If ``kill`` is called twice,
the first call determines the state, and the second can only shorten the time. An attempt that exceeded its memory
limit is killed at once.

``stop`` and ``kill`` do nothing if the trial is not running.

An evaluator whose workers outlive the driver (jobs of a batch system) can ``leave`` an attempt running when a session
ends. The evaluator of the next session can ``adopt`` it, and then owes that session the attempt's end. The other
evaluators do neither.

``close`` ends all attempts that still run and were not left, without events, and leaves no process behind. The same
holds if the driver dies in any other way, except for jobs: a worker whose commands end kills its processes and exits.
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
    """All workers are gone for good, with their trials. The session must end; another session can continue."""


class Evaluator(ABC):
    """Sends trials to workers and brings their events back; the module's docstring is the contract.

    Example::

        with ProcessEvaluator(context, EvaluatorSettings(num_workers=2)) as evaluator:
            evaluator.start(Assignment(trial=0, attempt=1, point={"x": 1.0}, folder="search/trials/0000"))
            events = evaluator.wait()

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
        """Return the events since the last call, after waiting at most ``timeout`` seconds for the first one.

        Args:
            timeout: Seconds. None waits without a limit.

        Raises:
            NoWorkersLeft: If no worker is left and none will be.
        """

    @abstractmethod
    def stop(self, trial: int, after: int) -> None:
        """Answer the next report of a step above ``after`` with a stop; the trial then ends as stopped."""

    @abstractmethod
    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End the running attempt at a trial in the given state, within ``patience`` seconds and a grace period."""

    def leave(self, trial: int) -> bool:
        """Let a running attempt go on without this driver, for a later one to adopt; return whether it does."""
        return False

    def adopt(self, assignments: Sequence[Assignment]) -> set[int]:
        """Adopt attempts of an earlier session that still run; return the trials whose end this session will get."""
        return set()

    @abstractmethod
    def close(self) -> None:
        """End everything. Afterwards only ``close`` may be called again."""

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def event_of(message: dict[str, Any], worker: str) -> Event | None:
    """Return the event in a worker's message, or None if the message concerns no trial."""
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
