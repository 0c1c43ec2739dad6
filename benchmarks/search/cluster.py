"""A search on a simulated cluster: how busy one driver keeps 1,000 workers, and 10,000.

    python benchmarks/search/cluster.py [workers [hours [searcher [stopper]]]]

The search loop, the searcher, the journal with its fsync and results.csv are the real ones; only the workers are
not. Trials last 60 to 600 s (log-normal, 5 % beyond each end before they are cut to it); 5 % of the workers die at
a random moment, lose their trial, and are back after 20 s. With the stopper ``asha``, a trial has 27 steps of equal
length, and is parked and resumed; without one it does not report. The clock is virtual: it jumps over the times in
which nothing happens, and all that the driver really takes (every ask, tell, append and file) passes on it as
measured. Proposals, which a thread makes, are charged to that thread: they are there as much later as they really
took. What the two would take from each other on one core is not in it.
"""

from __future__ import annotations

import heapq
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

from dh_project import HpProblem
from dh_project.evaluators.base import Evaluator
from dh_project.hps.limits import Limits
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.proposals import Made, Proposals, Work
from dh_project.hps.searchers import create_searcher
from dh_project.hps.searchers.base import Searcher
from dh_project.hps.stoppers import create_stopper
from dh_project.results.history import Identity
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Ended, Event, Reported
from dh_project.trial.trial import Point, State

SHORTEST, LONGEST, DYING, RESTART_SECONDS = 60.0, 600.0, 0.05, 20.0
STEPS = 27


class VirtualClock:
    """Real time, plus what was jumped over, minus what is charged elsewhere.

    Args:
        real: What is taken for real time, seconds.
    """

    def __init__(self, real: Callable[[], float] = time.perf_counter) -> None:
        self.real, self.offset = real, 0.0

    def __call__(self) -> float:
        """Return the virtual time in seconds."""
        return self.real() + self.offset

    def jump_to(self, moment: float) -> None:
        """Let it be that time, unless it is later already."""
        self.offset += max(0.0, moment - self())


class VirtualFuture(Future[Made]):
    """A result that is known, and there at a later virtual time."""

    def __init__(self, clock: VirtualClock, ready: float) -> None:
        super().__init__()
        self.clock, self.ready = clock, ready

    def done(self) -> bool:
        """Say whether it is there."""
        return self.clock() >= self.ready


class VirtualProposals(Proposals):
    """Makes proposals at once, stops the clock meanwhile, and hands them over as much later."""

    def __init__(self, searcher: Searcher, num_workers: int, clock: VirtualClock) -> None:
        super().__init__(searcher, num_workers, clock)
        self.clock = clock
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        """Jump to the time at which proposals are there."""
        if isinstance(self._future, VirtualFuture):
            self.clock.jump_to(min(self.clock() + seconds, self._future.ready))

    def _start(self, work: Work) -> Future[Made]:
        began = self.clock.real()
        result = work()
        took = self.clock.real() - began
        self.clock.offset -= took
        self.seconds.append(took)
        future = VirtualFuture(self.clock, self.clock() + took)
        future.set_result(Made(result, took))
        return future


class SimulatedEvaluator(Evaluator):
    """Workers that are nothing but the times at which their trials end."""

    def __init__(self, num_workers: int, clock: VirtualClock, hours: float) -> None:
        self.num_workers, self.clock = num_workers, clock
        self.random = np.random.default_rng(0)
        began = clock()
        dying = self.random.random(num_workers) < DYING
        moments = began + self.random.uniform(0, 3600 * hours, num_workers)
        self.deaths = [moment if dies else math.inf for moment, dies in zip(moments, dying, strict=True)]
        self.free = [(began, slot) for slot in range(num_workers)]  # since when
        self.running: list[tuple[float, int, Assignment, float, bool]] = []
        self.done: dict[int, int] = {}  # steps of each trial that is parked
        self.seconds: dict[int, float] = {}  # of each trial, from its first step to its last
        self.busy = self.useful = self.waited = 0.0
        self.lost = 0

    def start(self, assignment: Assignment) -> None:
        """Begin a trial in the worker that has been free for longest."""
        since, slot = heapq.heappop(self.free)
        now = self.clock()
        began = max(now, since)  # one that comes back later
        self.waited += began - since
        trial, until = assignment.trial, min(assignment.until or STEPS, STEPS)
        seconds = self.seconds.setdefault(trial, self.trial_seconds())
        end = began + seconds * (until - self.done.get(trial, 0)) / STEPS
        dies = self.deaths[slot] < end
        if dies:
            end, self.deaths[slot] = max(began, self.deaths[slot]), math.inf
        heapq.heappush(self.running, (end, slot, assignment, began, dies))

    def trial_seconds(self) -> float:
        """Draw how long a trial takes."""
        spread = math.log(LONGEST / SHORTEST) / (2 * 1.645)
        seconds = math.sqrt(SHORTEST * LONGEST) * math.exp(spread * self.random.standard_normal())
        return min(max(seconds, SHORTEST), LONGEST)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Jump to the next end, or over the time that would be waited."""
        until = self.clock() + (timeout or 0.0)
        self.clock.jump_to(min(until, self.running[0][0]) if self.running else until)
        now, events = self.clock(), []
        while self.running and self.running[0][0] <= now:
            end, slot, assignment, began, died = heapq.heappop(self.running)
            self.busy += end - began
            self.useful += 0.0 if died else end - began
            self.lost += died
            heapq.heappush(self.free, (end + RESTART_SECONDS * died, slot))
            events += self.events_of(assignment, died)
        return events

    def events_of(self, assignment: Assignment, died: bool) -> list[Event]:
        """Return the last report of an attempt, if it parks, and its end."""
        until = assignment.until
        if died or until is None or until >= STEPS:
            return [_end_of(assignment, State.LOST if died else State.DONE)]
        self.done[assignment.trial] = until
        value = objective_of(assignment.point) - 1 / until
        return [
            Reported(assignment.trial, assignment.attempt, until, value),
            _end_of(assignment, State.PARKED),
        ]

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End a trial at once."""
        self.running = [
            (self.clock(), slot, assignment, began, died) if assignment.trial == trial else entry
            for entry in self.running
            for _, slot, assignment, began, died in [entry]
        ]
        heapq.heapify(self.running)

    def stop(self, trial: int, after: int) -> None:
        """Do nothing: no trial is stopped for good."""

    def close(self) -> None:
        """Do nothing."""


def _end_of(assignment: Assignment, state: State) -> Event:
    objective = objective_of(assignment.point) if state.has_objective else None
    return Ended(assignment.trial, assignment.attempt, state, objective, worker="simulated")


def objective_of(point: Point) -> float:
    """Return a smooth function of the point."""
    return -(math.log10(point["lr"]) ** 2) - (point["dropout"] - 0.1) ** 2 - (point["layers"] - 3) ** 2


def make_problem() -> HpProblem:
    """Return a space of six mixed dimensions."""
    problem = HpProblem()
    problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))
    problem.add_dim("dropout", (0.0, 0.5))
    problem.add_dim("units", (16, 256, "log-uniform"))
    problem.add_dim("layers", (1, 6))
    problem.add_dim("neighbours", [8, 12, 16])
    problem.add_dim("activation", ["identity", "relu", "tanh", "sigmoid"])
    return problem


def simulate(
    workers: int, hours: float, name: str, stopper: str, tick: Callable[[str], None]
) -> list[tuple[str, str]]:
    """Run one search and return what is to be known of it."""
    clock, problem = VirtualClock(), make_problem()
    with tempfile.TemporaryDirectory() as folder:
        evaluator = SimulatedEvaluator(workers, clock, hours)
        searcher = create_searcher(name, problem, 42)
        proposals = VirtualProposals(searcher, workers, clock)
        identity = Identity("cluster.py", problem.to_json(), "simulated", {}, 42)
        limits = Limits(timeout=3600 * hours, max_retries=3)
        search = Search(
            SearchPaths(Path(folder)),
            identity,
            problem,
            searcher,
            evaluator,
            limits,
            Observer(),
            create_stopper(stopper, {}),
            proposals=proposals,
            clock=clock,
        )
        tick(f"{workers} workers")
        began, really_began = clock(), time.perf_counter()
        search.run()
        span, driver = clock() - began, time.perf_counter() - really_began - sum(proposals.seconds)
        total, results = workers * span, search.history.results
        ended, parked = len(search.history.ended), search.history.parks
        journal = search.paths.journal.stat().st_size / 2**20
    return [
        ("trials ended", f"{ended:,}"),
        ("times that a trial was parked", f"{parked:,}"),
        ("attempts lost with their worker", f"{evaluator.lost:,}"),
        ("workers busy", f"{100 * evaluator.busy / total:.2f} %"),
        ("  with attempts that were not lost", f"{100 * evaluator.useful / total:.2f} %"),
        ("a worker waits for its next trial, mean", f"{evaluator.waited / (results + workers):.3f} s"),
        ("the loop's own time a result", f"{1000 * driver / results:.2f} ms"),
        ("  as a share of the time", f"{100 * driver / span:.1f} %"),
        ("models made", f"{len(proposals.seconds):,}, longest {max(proposals.seconds):.2f} s"),
        ("  as a share of the time", f"{100 * sum(proposals.seconds) / span:.1f} %"),
        ("journal", f"{journal:.0f} MiB"),
        ("memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"),
    ]


def main() -> None:
    """Simulate and print the table."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
    name = sys.argv[3] if len(sys.argv) > 3 else "ambs"
    stopper = sys.argv[4] if len(sys.argv) > 4 else "none"
    console = Console(width=100)
    rows = simulate(workers, hours, name, stopper, lambda text: print(text, file=sys.stderr))
    table = Table(
        title=f"{name}, stopper {stopper}, {workers:,} workers, {hours:g} h; {describe_machine()}", box=None
    )
    table.add_column("")
    table.add_column("")
    for row in rows:
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
