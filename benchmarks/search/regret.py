"""How good the configuration is that a search recommends: ambs and random beside Optuna's TPE and GP samplers.

    python -m pip install optuna
    python benchmarks/search/regret.py --repetitions 30 --workers 1 16 --results regret.jsonl

The functions are those of functions.py: the final error of CGCNN as a smooth function of its hyperparameters
(``curves``), the same with 5 % noise (``noisy``) and constant in pieces (``steps``), and a function of 20 dimensions
(``wide``). Trials end in the order of their durations, drawn log-normally, on a virtual clock, so that with several
workers proposals are made while others are pending. Every search begins with the problem's starting points, which
count as trials. Optuna's samplers have their defaults (TPE with its advice for several workers, ``constant_liar``)
and recommend the best observed trial; ``ambs`` recommends its model's choice. ``ambs ahead`` makes a proposal before
the result is known that frees its worker, as the search loop does while all workers are busy.

Printed is the median over the repetitions of the regret: by how much the true, noise-free objective of the
recommended point misses the optimum, in % of the optimum. In parentheses: the quotient of the mean regret and TPE's,
with the 95 % interval of a bootstrap over the repetitions (the same in both means). Each finished search is appended
to the file of results and is not repeated.
"""

import argparse
import heapq
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import optuna
from compared import Compared, make
from functions import Function, functions
from rich.console import Console
from rich.table import Table

from dh_project.trial.trial import Point

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

COUNTS = (25, 50, 100)
"""Numbers of ended trials after which the recommended point is taken."""

LABELS = {"tpe": f"TPE (Optuna {optuna.__version__})", "gp": f"GP (Optuna {optuna.__version__})"}

Key = tuple[str, int, str, int]
"""Function, workers, search, seed."""


def regrets(search: Compared, function: Function, workers: int, seed: int) -> list[float]:
    """Run one search on the virtual clock; return the regret of what it recommends after each of COUNTS."""
    trials, random = COUNTS[-1], np.random.default_rng(seed)
    durations, draws = random.lognormal(0.0, 0.5, trials), random.normal(size=trials)
    running: list[tuple[float, int, Point]] = []
    started, now = 0, 0.0
    found: list[float] = []
    for ended in range(1, trials + 1):
        while len(running) < workers and started < trials:
            heapq.heappush(running, (now + durations[started], started, search.ask(started)))
            started += 1
        now, number, point = heapq.heappop(running)
        search.tell(number, function.observed(point, draws[number]))
        if ended in COUNTS:
            found.append(function.regret(search.recommended()))
    return found


def read(path: Path) -> dict[Key, list[float]]:
    """Return the regrets of the finished searches of a file."""
    lines = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return {
        (each["function"], each["workers"], each["search"], each["seed"]): each["regrets"] for each in lines
    }


def run(key: Key, path: Path) -> None:
    """Run one search and append its regrets to the file."""
    name, workers, search, seed = key
    function, started = functions()[name], time.perf_counter()
    found = regrets(make(search, function, workers, seed), function, workers, seed)
    line = dict(zip(("function", "workers", "search", "seed"), key, strict=True))
    line |= {"regrets": found, "seconds": round(time.perf_counter() - started, 2)}
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def quotient(ours: np.ndarray, others: np.ndarray) -> str:
    """Return the quotient of two mean regrets, with its bootstrap interval. Both are (repetitions,), paired."""
    if not others.mean():
        return "-"
    chosen = np.random.default_rng(0).integers(len(ours), size=(2000, len(ours)))
    low, high = np.quantile(ours[chosen].mean(1) / np.maximum(others[chosen].mean(1), 1e-12), [0.025, 0.975])
    return f"{ours.mean() / others.mean():.2f}, {low:.2f} to {high:.2f}"


def table(name: str, workers: int, searches: list[str], known: dict[Key, list[float]]) -> Table:
    """Return the table of one function and number of workers."""
    shown = Table("", *(f"{count} trials" for count in COUNTS), "searches", box=None)
    shown.title = f"{name}, workers: {workers}"
    seeds = {search: {key[3] for key in known if key[:3] == (name, workers, search)} for search in searches}
    for search in filter(seeds.get, searches):
        cells = []
        both = sorted(seeds[search] & seeds.get("tpe", set()))
        for index in range(len(COUNTS)):
            median = statistics.median(known[name, workers, search, seed][index] for seed in seeds[search])
            ours, tpe = (
                np.array([known[name, workers, each, seed][index] for seed in both])
                for each in (search, "tpe")
            )
            cells.append(f"{median:.4g}" + (f" ({quotient(ours, tpe)})" if both and search != "tpe" else ""))
        shown.add_row(LABELS.get(search, search), *cells, str(len(seeds[search])))
    return shown


def main() -> None:
    """Run the searches that are not in the file yet, then print a table for each function and number of workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 16])
    parser.add_argument(
        "--functions", nargs="+", default=["curves", "noisy", "steps", "wide"], choices=functions()
    )
    parser.add_argument("--searches", nargs="+", default=["random", "tpe", "gp", "ambs", "ambs ahead"])
    parser.add_argument("--results", type=Path, default=Path("regret.jsonl"))
    given = parser.parse_args()
    known = read(given.results)
    for seed in range(given.repetitions):
        for name in given.functions:
            for workers in given.workers:
                for search in given.searches:
                    if (name, workers, search, seed) not in known and (workers > 1 or "ahead" not in search):
                        run((name, workers, search, seed), given.results)
    known, console = read(given.results), Console(width=150)
    console.print(f"regret of the recommended point; {describe_machine()}")
    for name in given.functions:
        for workers in given.workers:
            console.print(table(name, workers, given.searches, known))


if __name__ == "__main__":
    main()
