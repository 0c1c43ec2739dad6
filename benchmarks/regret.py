"""How near a search comes to the optimum: ambs and random beside Optuna's TPE, with 1, 16 and 64 workers.

    python -m pip install optuna
    python benchmarks/regret.py [repetitions]

The objective is smooth, of six mixed dimensions, with known optimum 0. Trials end in the order of their durations,
drawn log-normally, on a virtual clock, so that with several workers proposals are made while others are pending.
Printed: the median, over the repetitions, of the best objective's distance to the optimum after 25, 50, 100 trials.
"""

import heapq
import math
import statistics
import sys
from collections.abc import Callable

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from dh_project import HpProblem
from dh_project.searchers import create_searcher
from dh_project.trial import Point, State, Trial

TRIALS, SHOWN = 100, (25, 50, 100)
ACTIVATIONS = {"identity": 1.0, "relu": 0.0, "tanh": 0.3, "sigmoid": 0.6}

Ask = Callable[[int], Point]
Tell = Callable[[int, Point, float], None]


def make_problem() -> HpProblem:
    """Return the space."""
    problem = HpProblem()
    problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))
    problem.add_dim("dropout", (0.0, 0.5))
    problem.add_dim("units", (16, 256, "log-uniform"))
    problem.add_dim("layers", (1, 6))
    problem.add_dim("neighbours", [8, 12, 16])
    problem.add_dim("activation", list(ACTIVATIONS))
    return problem


def objective(point: Point) -> float:
    """Return a loss-like surface's negative: a valley in lr that moves with units, the rest smooth."""
    lr = math.log10(point["lr"]) + 2.5 + 0.3 * (math.log2(point["units"]) - 6)
    units = (math.log2(point["units"]) - 6.5) / 4
    return -(
        lr**2
        + 2 * (point["dropout"] - 0.15) ** 2
        + units**2
        + 0.05 * (point["layers"] - 4) ** 2
        + 0.1 * ((point["neighbours"] - 12) / 4) ** 2
        + 0.5 * ACTIVATIONS[point["activation"]]
    )


def ours(name: str, seed: int) -> tuple[Ask, Tell]:
    """Return how a searcher of this package is asked and told."""
    searcher = create_searcher(name, make_problem(), seed)
    ended: list[Trial] = []
    pending: dict[int, Trial] = {}

    def ask(number: int) -> Point:
        point = searcher.propose(number, ended, list(pending.values()))
        pending[number] = Trial(number, point, name, 1, State.RUNNING)
        return point

    def tell(number: int, point: Point, value: float) -> None:
        trial = pending.pop(number)
        trial.state, trial.objective = State.DONE, value
        ended.append(trial)

    return ask, tell


def tpe(seed: int) -> tuple[Ask, Tell]:
    """Return how Optuna's TPE is asked and told, with its advice for several workers."""
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    )
    trials: dict[int, optuna.Trial] = {}

    def ask(number: int) -> Point:
        trial = trials[number] = study.ask()
        return {
            "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "units": trial.suggest_int("units", 16, 256, log=True),
            "layers": trial.suggest_int("layers", 1, 6),
            "neighbours": trial.suggest_categorical("neighbours", [8, 12, 16]),
            "activation": trial.suggest_categorical("activation", list(ACTIVATIONS)),
        }

    def tell(number: int, point: Point, value: float) -> None:
        study.tell(trials[number], value)

    return ask, tell


def regrets(ask: Ask, tell: Tell, workers: int, seed: int) -> list[float]:
    """Run one search on the virtual clock; return the regret after each ended trial."""
    durations = np.random.default_rng(seed).lognormal(0.0, 0.5, TRIALS)
    running: list[tuple[float, int, Point]] = []
    started, now, best = 0, 0.0, -math.inf
    curve: list[float] = []
    while len(curve) < TRIALS:
        while len(running) < workers and started < TRIALS:
            heapq.heappush(running, (now + durations[started], started, ask(started)))
            started += 1
        now, number, point = heapq.heappop(running)
        value = objective(point)
        tell(number, point, value)
        best = max(best, value)
        curve.append(-best)
    return curve


def main() -> None:
    """Run all and print the table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    searchers: dict[str, Callable[[int], tuple[Ask, Tell]]] = {
        "random": lambda seed: ours("random", seed),
        "ambs": lambda seed: ours("ambs", seed),
        f"TPE (Optuna {optuna.__version__})": tpe,
    }
    table = Table("workers", "searcher", *(f"{count} trials" for count in SHOWN), box=None)
    for workers in (1, 16, 64):
        for name, make in searchers.items():
            curves = [regrets(*make(seed), workers, seed) for seed in range(repetitions)]
            medians = [statistics.median(curve[count - 1] for curve in curves) for count in SHOWN]
            table.add_row(str(workers), name, *(f"{median:.4f}" for median in medians))
    table.title = f"median regret of {repetitions} repetitions"
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
