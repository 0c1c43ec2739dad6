"""How near a search comes to the optimum: ambs and random beside Optuna's TPE, with 1, 2, 16 and 64 workers.

    python -m pip install optuna
    python benchmarks/search/regret.py [repetitions] [function …] [workers …]

The functions (functions.py) have six mixed dimensions and the optimum 0. Trials end in the order of their durations,
drawn log-normally, on a virtual clock, so that with several workers proposals are made while others are pending.
``ambs`` proposes at the moment when a worker is free, or ahead, before the result that frees the worker is known,
as the search loop does while all workers are busy. Printed: the median, over the repetitions, of the best
objective's distance to the optimum after so many ended trials.
"""

import heapq
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from functions import FUNCTIONS, Function
from rich.console import Console
from rich.table import Table

from dh_project.hps.searchers import create_searcher
from dh_project.trial.trial import Point, State, Trial

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine

SHOWN = {1: (25, 50, 100), 2: (25, 50, 100), 16: (25, 50, 100), 64: (100, 150, 250)}
"""Numbers of ended trials, by the number of workers."""


class Ours:
    """A searcher of this package.

    Args:
        name: Its name.
        function: What is searched.
        seed: The search's seed.
        ahead: Whether a proposal is made before the result is known that frees its worker.
    """

    def __init__(self, name: str, function: Function, seed: int, ahead: bool = False) -> None:
        self.searcher = create_searcher(name, function.problem(), seed)
        self.ahead = ahead
        self.stock: Point | None = None
        self.ended: list[Trial] = []
        self.pending: dict[int, Trial] = {}

    def ask(self, number: int) -> Point:
        """Return the proposal of a number."""
        point, self.stock = self.stock or self._propose(number), None
        self.pending[number] = Trial(number, point, self.searcher.name, 1, State.RUNNING)
        return point

    def tell(self, number: int, value: float | None) -> None:
        """Take the objective of a proposal, None where it failed."""
        if self.ahead:
            self.stock = self._propose(len(self.ended) + len(self.pending))
        trial = self.pending.pop(number)
        trial.state, trial.objective = State.FAILED if value is None else State.DONE, value
        self.ended.append(trial)

    def _propose(self, number: int) -> Point:
        return self.searcher.propose(number, 1, self.ended, list(self.pending.values()))[0]


class TPE:
    """Optuna's TPE, with its advice for several workers.

    Args:
        function: What is searched.
        seed: The sampler's seed.
        workers: Trials at a time.
    """

    def __init__(self, function: Function, seed: int, workers: int) -> None:
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.function = function
        self.trials: dict[int, optuna.Trial] = {}

    def ask(self, number: int) -> Point:
        """Return the proposal of a number."""
        self.trials[number] = self.study.ask()
        return self.function.suggest(self.trials[number])

    def tell(self, number: int, value: float | None) -> None:
        """Take the objective of a proposal, None where it failed."""
        if value is None:
            self.study.tell(self.trials[number], state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(self.trials[number], value)


def regrets(search: Ours | TPE, function: Function, workers: int, seed: int) -> list[float]:
    """Run one search on the virtual clock; return the regret after each ended trial."""
    trials = SHOWN[workers][-1]
    durations = np.random.default_rng(seed).lognormal(0.0, 0.5, trials)
    running: list[tuple[float, int, Point]] = []
    started, now, best = 0, 0.0, -math.inf
    curve: list[float] = []
    while len(curve) < trials:
        while len(running) < workers and started < trials:
            heapq.heappush(running, (now + durations[started], started, search.ask(started)))
            started += 1
        now, number, point = heapq.heappop(running)
        value = function.objective(point)
        search.tell(number, value)
        best = max(best, -math.inf if value is None else value)
        curve.append(-best)
    return curve


def makers(function: Function, workers: int) -> dict[str, Callable[[int], Ours | TPE]]:
    """Return how each search is made from a seed, by the name in the table."""
    made: dict[str, Callable[[int], Ours | TPE]] = {
        "random": lambda seed: Ours("random", function, seed),
        f"TPE (Optuna {optuna.__version__})": lambda seed: TPE(function, seed, workers),
        "ambs": lambda seed: Ours("ambs", function, seed),
    }
    if workers > 1:
        made["ambs, made ahead"] = lambda seed: Ours("ambs", function, seed, ahead=True)
    return made


def main() -> None:
    """Run all and print a table for each function and number of workers, as it is done."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    words = sys.argv[1:]
    numbers = [int(word) for word in words if word.isdigit()]
    repetitions, chosen = (numbers[0] if numbers else 20), numbers[1:] or list(SHOWN)
    console = Console(width=110)
    console.print(f"median regret of {repetitions} repetitions; {describe_machine()}")
    for name in [word for word in words if not word.isdigit()] or list(FUNCTIONS):
        for workers in chosen:
            shown, function = SHOWN[workers], FUNCTIONS[name]
            columns = [f"{count} trials" for count in shown]
            table = Table("", *columns, "s a search", title=f"{name}, workers: {workers}", box=None)
            for label, make in makers(function, workers).items():
                started = time.perf_counter()
                curves = [regrets(make(seed), function, workers, seed) for seed in range(repetitions)]
                seconds = (time.perf_counter() - started) / repetitions
                medians = [statistics.median(curve[count - 1] for curve in curves) for count in shown]
                table.add_row(label, *(f"{median:.5f}" for median in medians), f"{seconds:.1f}")
            console.print(table)


if __name__ == "__main__":
    main()
