"""Test functions of six mixed dimensions, for searches to be compared on: each has the optimum 0."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import optuna

from dh_project import HpProblem
from dh_project.trial.trial import Point

ACTIVATIONS = {"identity": 1.0, "relu": 0.0, "tanh": 0.3, "sigmoid": 0.6}


class Function(NamedTuple):
    """A test function.

    Attributes:
        space: Value of each hyperparameter, as ``HpProblem.add_dim`` takes it.
        objective: Of a point: 0 or less, larger is better; None where the trial fails.
    """

    space: dict[str, tuple | list]
    objective: Callable[[Point], float | None]

    def problem(self) -> HpProblem:
        """Return the space as a problem of this package."""
        problem = HpProblem()
        for name, value in self.space.items():
            problem.add_dim(name, value)
        return problem

    def suggest(self, trial: optuna.Trial) -> Point:
        """Return Optuna's suggestion from the same space."""
        point: Point = {}
        for name, value in self.space.items():
            if isinstance(value, list):
                point[name] = trial.suggest_categorical(name, value)
            elif isinstance(value[0], int):
                point[name] = trial.suggest_int(name, value[0], value[1], log=len(value) == 3)
            else:
                point[name] = trial.suggest_float(name, value[0], value[1], log=len(value) == 3)
        return point


def _smooth(point: Point) -> float:
    """A loss-like surface's negative: a valley in lr that moves with units, the rest quadratic."""
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


def _rugged(point: Point) -> float | None:
    """Ackley's function of five numbers and a choice: many local optima; a sixteenth of the space fails."""
    if point["a"] + point["b"] > 8:
        return None
    centre = {"a": 1.3, "b": -0.7, "c": 2.1, "d": 0.4, "n": 3}
    x = np.array([(point[name] - at) / 2 for name, at in centre.items()])
    ackley = 20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - 20 + np.exp(np.cos(np.pi * x).mean()) - math.e
    return float(ackley) - {"p": 1.0, "q": 0.0, "r": 2.0}[point["choice"]]


FUNCTIONS = {
    "smooth": Function(
        {
            "lr": (1e-4, 1e-1, "log-uniform"),
            "dropout": (0.0, 0.5),
            "units": (16, 256, "log-uniform"),
            "layers": (1, 6),
            "neighbours": [8, 12, 16],
            "activation": list(ACTIVATIONS),
        },
        _smooth,
    ),
    "rugged": Function(
        {**dict.fromkeys("abcd", (-4.0, 6.0)), "n": (-5, 10), "choice": ["p", "q", "r"]}, _rugged
    ),
}
