"""What a proposal costs: seconds of a call, by the number of ended trials, of proposals and of pending trials.

    python benchmarks/search/proposal_cost.py

``all told`` is what the limit on told trials (MOST_TOLD) saves: the same call with every trial told, once.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from functions import functions
from rich.console import Console
from rich.table import Table

from dh_project.hps.searchers import ambs
from dh_project.hps.searchers.ambs import AMBS
from dh_project.hps.searchers.base import Searcher
from dh_project.hps.searchers.random import RandomSearcher
from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.trial.trial import State, Trial

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

ENDED = (100, 1_000, 5_000, 20_000, 45_000)
CALLS = ((1, 1), (16, 64), (32, 1_000))
"""Proposals, and pending trials."""
REPEATS = 7


def seconds(searcher: Searcher, count: int, ended: Sequence[Trial], pending: list[Trial]) -> float:
    """Return the median time of a call."""
    times = []
    for number in range(REPEATS):
        started = time.perf_counter()
        searcher.propose(number, count, ended, pending)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Measure and print the table."""
    function = functions()["smooth"]
    problem = function.problem
    rows = AMBS(problem, 0, AMBSSettings()).cube
    points = [rows.point(row) for row in rows.sample(ENDED[-1] + CALLS[-1][1], 0)]
    ended = [
        Trial(n, p, "any", 1, State.DONE, function.objective(p)) for n, p in enumerate(points[: ENDED[-1]])
    ]
    pending = [Trial(n, p, "any", 1, State.RUNNING) for n, p in enumerate(points[ENDED[-1] :], ENDED[-1])]
    searchers: dict[str, Searcher] = {
        "ambs (GP)": AMBS(problem, 0, AMBSSettings("GP")),
        "ambs (ET)": AMBS(problem, 0, AMBSSettings("ET")),
        "random": RandomSearcher(problem, 0),
    }
    title = f"seconds of a call; {describe_machine()}"
    table = Table("", "proposals", "pending", *(f"{count:,} ended" for count in ENDED), title=title, box=None)
    for name, searcher in searchers.items():
        for count, others in CALLS:
            cells = [f"{seconds(searcher, count, ended[:n], pending[:others]):.3f}" for n in ENDED]
            table.add_row(name, str(count), f"{others:,}", *cells)
    ambs.MOST_TOLD["ET"] = ENDED[-1]
    cells = []
    for number in ENDED:
        started = time.perf_counter()
        searchers["ambs (ET)"].propose(0, 1, ended[:number], [])
        cells.append(f"{time.perf_counter() - started:.3f}")
    table.add_row("  all told", "1", "0", *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
