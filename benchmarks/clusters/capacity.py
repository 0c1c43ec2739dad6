"""How many GPUs one driver keeps busy with trials of ten minutes, and what limits it: a simulation.

    python benchmarks/clusters/capacity.py [workers …]

The workers are simulated. The search loop, ``ambs``, the journal and results.csv are the real ones
(``benchmarks/search/cluster.py``). The processor time that they take on this machine advances a virtual clock, so
that the result hardly depends on the load of the machine. Proposals advance a clock of their own, because a thread
makes them. An fsync waits instead of computing, and the MPI evaluator needs ranks: both are measured first (the
median of an fsync; the evaluator's bookkeeping with so many ranks, and messages between two ranks of this machine,
as in ``message_cost.py``) and charged to the loop.

Trials take ten minutes (log-normal, standard deviation 10 %), and none dies. The search is in mid-course: its
journal has the results of one hour, and each worker runs a trial that ends at a random time in the next ten
minutes. The points of these trials are drawn like the candidates of ``ambs``, half of them near the best trials,
because it is hardest to keep new points away from those. The search is observed for 45 s, after 15 s.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "search")]
import numpy as np
from cluster import SimulatedEvaluator, VirtualClock, VirtualProposals, make_problem
from driver_time import PARTS, Clock, timing
from histories import told
from machine import describe_machine
from message_cost import Messages, measure_messages, measure_mpi
from rich.console import Console
from rich.table import Table

from dh_project.evaluators.mpi_world import ALIVE_SECONDS
from dh_project.hps.limits import Limits
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.searchers import create_searcher
from dh_project.hps.searchers.ambs import PARENTS
from dh_project.hps.searchers.base import Searcher
from dh_project.results.history import Identity
from dh_project.results.journal import encode_commits
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Event
from dh_project.trial.trial import State

WORKERS = (1_000, 16_000, 32_000, 64_000, 96_000)
TRIAL_SECONDS, SPREAD = 600.0, 0.1
SETTLING_SECONDS, WATCHED_SECONDS = 15.0, 45.0
HISTORY_SECONDS = 3600.0


class Over(Exception):
    """The observed interval is over."""


class Ranks(SimulatedEvaluator):
    """Workers on ranks of MPI, in mid-course, with trials of ten minutes.

    Args:
        num_workers: Number of workers.
        clock: The virtual clock.
        messages: Cost of their messages for the driver.
        fsync: Seconds of an fsync of the journal, in each turn of the loop that writes.
        note: Called at the start and at the end of the observed interval.
    """

    def __init__(
        self,
        num_workers: int,
        clock: VirtualClock,
        messages: Messages,
        fsync: float,
        note: Callable[[], None],
    ) -> None:
        super().__init__(num_workers, clock, hours=1.0)
        self.deaths = [math.inf] * num_workers
        self.messages, self.fsync, self.note = messages, fsync, note
        self.told_at = clock()
        self.is_begun = self.has_written = False
        self.notes = 0
        self.watched = (math.inf, math.inf)  # start and end
        self.idle = self.message_seconds = self.fsync_seconds = 0.0

    def trial_seconds(self) -> float:
        """Draw the length of a trial; for one that runs already, its remaining time."""
        whole = TRIAL_SECONDS * float(self.random.lognormal(0.0, SPREAD))
        return whole if self.is_begun else whole * float(self.random.random())

    def adopt(self, assignments: Sequence[Assignment]) -> set[int]:
        """Continue all trials that ran at the end of the prepared journal."""
        for assignment in assignments:
            super().start(assignment)
        self.is_begun = True
        begin = self.clock() + SETTLING_SECONDS
        self.watched = (begin, begin + WATCHED_SECONDS)
        return {assignment.trial for assignment in assignments}

    def start(self, assignment: Assignment) -> None:
        """Start a trial in the worker that has been free for longest."""
        self._charge(self.messages.order)
        self._count_idle(self.free[0][0], self.clock())
        super().start(assignment)
        self.has_written = True

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Jump to the next end, or over the time that would be waited.

        Raises:
            Over: What was to be watched is over.
        """
        if self.has_written:
            self.clock.offset += self.fsync
            self.fsync_seconds += self.fsync
        if self.clock() >= self.watched[self.notes]:
            self.notes += 1
            self.note()
            if self.notes == 2:
                since = [entry[0] for entry in self.free] + [entry[0] for entry in self.running]
                for moment in since:  # only running trials whose end is not known yet
                    self._count_idle(moment, self.watched[1])
                raise Over
        self._charge(self.messages.look)
        if self.clock() - self.told_at >= ALIVE_SECONDS:
            self.told_at = self.clock()
            self._charge(self.messages.alive)
        events = super().wait(timeout)
        self._charge(len(events) * self.messages.event)
        self.has_written = bool(events)
        return events

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """End the simulation, for only an interruption ends a trial here.

        Raises:
            Over: Always.
        """
        raise Over

    def _count_idle(self, since: float, until: float) -> None:
        began, over = self.watched
        self.idle += max(0.0, min(until, over) - max(since, began))

    def _charge(self, seconds: float) -> None:
        self.clock.offset += seconds
        self.message_seconds += seconds


def prime(folder: Path, identity: Identity, searcher: Searcher, workers: int) -> None:
    """Write the journal of a search with the results of one hour and a trial in each worker."""
    problem, cube = searcher.problem, searcher.cube
    points = [problem.sample(seed) for seed in range(1000)]
    trials = int(workers * HISTORY_SECONDS / TRIAL_SECONDS)
    records = list(told(identity, trials, 0, lambda trial: points[trial % len(points)]))
    best = sorted(points, key=lambda point: -point["dropout"])[:PARENTS]
    near = cube.around(cube.vectors(best), workers // 2, 0)
    rows = np.concatenate([near, cube.sample(workers - len(near), 0)])
    for number, row in enumerate(rows, start=trials):
        start = {"kind": "start", "at": float(trials), "trial": number, "attempt": 1, "origin": "ambs"}
        records.append({**start, "point": cube.point(row)})
    SearchPaths(folder).journal.write_bytes(encode_commits(*([record] for record in records)))


def simulate(workers: int, messages: Messages, fsync: float) -> dict[str, str]:
    """Run a search, observe it, and return the figures of its column."""
    clock, problem, parts = VirtualClock(time.process_time), make_problem(), Clock(time.process_time)
    identity = Identity("capacity.py", problem.to_json(), "simulated", {}, 42)
    notes: list[dict[str, float]] = []

    def note() -> None:
        notes.append(
            {
                "clock": clock(),
                "really": clock.real(),
                "results": len(search.history.ended),
                "models": len(proposals.seconds),
                "thread": sum(proposals.seconds),
                "messages": evaluator.message_seconds,
                "fsyncs": evaluator.fsync_seconds,
                **{part: parts.seconds[part] for part in PARTS},
            }
        )

    evaluator = Ranks(workers, clock, messages, fsync, note)
    searcher = create_searcher("ambs", problem, identity.seed)
    proposals = VirtualProposals(searcher, workers, clock)
    with tempfile.TemporaryDirectory() as name, timing(parts, PARTS):
        folder = Path(name)
        prime(folder, identity, searcher, workers)
        paths, limits = SearchPaths(folder), Limits()
        search = Search(
            paths,
            identity,
            problem,
            searcher,
            evaluator,
            limits,
            Observer(),
            proposals=proposals,
            clock=clock,
        )
        with suppress(Over):
            search.run()
    if len(notes) < 2:
        sys.exit("interrupted")
    before, after = notes
    return rows_of(evaluator, {name: after[name] - before[name] for name in after}, proposals.seconds)


def rows_of(evaluator: Ranks, took: dict[str, float], models: list[float]) -> dict[str, str]:
    """Return the rows of a column.

    Args:
        evaluator: The workers.
        took: What passed while they were watched: seconds of each part, results, models.
        models: The seconds of all models made.
    """
    span, results = took["clock"], took["results"]
    parts = {part: took[part] for part in PARTS}
    rest = took["really"] - took["thread"] - sum(parts.values())
    parts["journal"] += took["fsyncs"]
    loop = took["messages"] + sum(parts.values()) + rest
    busy = 1 - evaluator.idle / (evaluator.num_workers * WATCHED_SECONDS)

    def share(seconds: float) -> str:
        return f"{100 * seconds / span:.1f} %"

    return {
        "workers busy": f"{100 * busy:.2f} %",
        "a worker waits for its next trial, mean": f"{TRIAL_SECONDS * (1 / busy - 1):.2f} s",
        "results a second": f"{results / span:.1f}",
        "the loop, share of the time": share(loop),
        "  messages of MPI": share(took["messages"]),
        "  journal, with its fsyncs": share(parts["journal"]),
        "  results.csv": share(parts["results.csv"]),
        "  the rest": share(rest),
        "the thread that makes proposals": share(took["thread"]),
        "  a model and its proposals, mean": f"{took['thread'] / took['models']:.2f} s",
        "  results in that time": f"{results / took['models']:.1f}",
        "both, share of one core": share(loop + took["thread"]),
    }


def measure_fsync() -> float:
    """Return the median seconds of an fsync after a line of the journal, in the folder of temporary files."""
    times = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(300):
            file.write(b"-" * 600)
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Simulate and print the table."""
    counts = [int(word) for word in sys.argv[1:]] or list(WORKERS)
    load, fsync, (sent, received) = os.getloadavg()[0], measure_fsync(), measure_mpi()
    columns = []
    for count in counts:
        began = time.perf_counter()
        columns.append(simulate(count, measure_messages(count, sent, received), fsync))
        print(f"{count} workers: {time.perf_counter() - began:.0f} s, {columns[-1]}", file=sys.stderr)
    table = Table("ambs, trials of ten minutes; workers", *(f"{count:,}" for count in counts), box=None)
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    console = Console(width=110)
    console.print(f"one driver, simulated; {describe_machine()}; load before {load:.1f}")
    console.print(
        f"an fsync {1e3 * fsync:.2f} ms; a message sent {1e6 * sent:.1f} us, received {1e6 * received:.1f} us"
    )
    console.print(table)


if __name__ == "__main__":
    main()
