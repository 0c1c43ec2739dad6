"""Functions on which searches are compared. Objectives are maximised, as in a search."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from curve_model import CurveModel

from dh_project import HpProblem
from dh_project.cgcnn_mp.problem import Problem
from dh_project.trial.trial import Point

ACTIVATIONS = {"identity": 1.0, "relu": 0.0, "tanh": 0.3, "sigmoid": 0.6}


class Function(NamedTuple):
    """A function to search.

    Attributes:
        problem: Its space and starting points.
        objective: The true objective of a point; None if the trial fails.
        optimum: The largest objective. If it is not 0, regrets are in % of it.
        noise: Standard deviation of the observed objective, as a share of the true one.
    """

    problem: HpProblem
    objective: Callable[[Point], float | None]
    optimum: float = 0.0
    noise: float = 0.0

    def observed(self, point: Point, draw: float) -> float | None:
        """Return the objective that a trial reports, given a draw from the standard normal distribution."""
        true = self.objective(point)
        return None if true is None else true * (1 + self.noise * draw)

    def regret(self, point: Point) -> float:
        """Return by how much the true objective of a point misses the optimum; infinite if its trial fails."""
        true = self.objective(point)
        return math.inf if true is None else (self.optimum - true) / (abs(self.optimum) / 100 or 1.0)


def _problem(space: Mapping[str, Any]) -> HpProblem:
    problem = HpProblem()
    for name, value in space.items():
        problem.add_dim(name, value)
    return problem


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


def _wide(point: Point) -> float:
    """An error from 0.1 on in 20 dimensions, of which each matters a fifth less than the one before."""
    error, before = 0.0, 0.0
    for number in range(16):
        x = point[f"x{number:02d}"] - 0.2 - 0.6 * (number * 0.618 % 1)
        error += 0.8**number * (x + 0.3 * before) ** 2
        before = x
    for number in range(4):
        error += 0.05 * 0.8**number * "abc".index(point[f"c{number}"])
    return -0.1 * math.sqrt(1 + 20 * error)


@cache
def functions() -> dict[str, Function]:
    """Return the functions by name. The first three are made of the learning curves of CGCNN."""
    curves, steps = CurveModel(smooth=True), CurveModel(smooth=False)
    smooth = {
        "lr": (1e-4, 1e-1, "log-uniform"),
        "dropout": (0.0, 0.5),
        "units": (16, 256, "log-uniform"),
        "layers": (1, 6),
        "neighbours": [8, 12, 16],
        "activation": list(ACTIVATIONS),
    }
    rugged = {**dict.fromkeys("abcd", (-4.0, 6.0)), "n": (-5, 10), "choice": ["p", "q", "r"]}
    wide = {f"x{number:02d}": (0.0, 1.0) for number in range(16)} | {
        f"c{n}": ["a", "b", "c"] for n in range(4)
    }
    return {
        "curves": Function(Problem, curves.objective, curves.optimum),
        "noisy": Function(Problem, curves.objective, curves.optimum, noise=0.05),
        "steps": Function(Problem, steps.objective, steps.optimum),
        "wide": Function(_problem(wide), _wide, -0.1),
        "smooth": Function(_problem(smooth), _smooth),
        "rugged": Function(_problem(rugged), _rugged),
    }
