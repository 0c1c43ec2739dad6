"""Perturbed hyperparameters for population-based training: near those of a parent, and inside the space."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import Hyperparameter

from dh_project.common.errors import UserError
from dh_project.problem import HpProblem
from dh_project.problem.values import FLOATS, INTEGERS, at, choices_of, places

TRIES = 100
"""Number of attempts to find a point that the space allows. After them, the parent's point is returned."""


def perturbed(
    problem: HpProblem,
    point: Mapping[str, Any],
    random: np.random.RandomState,
    factors: Sequence[float] = (0.8, 1.2),
    resample_probability: float = 0.25,
    fixed: Collection[str] = (),
) -> dict[str, Any]:
    """Return a point near another one. Conditions and forbidden clauses of the space hold.

    Each hyperparameter is sampled from its distribution with ``resample_probability``. Otherwise, a number is
    multiplied by one of the factors, and an integer changes by 1 at least. An ordered choice moves to a neighbour,
    and an unordered choice stays. A hyperparameter that becomes active is sampled.

    Args:
        problem: The space.
        point: The parent's point.
        random: Source of random numbers.
        factors: Factors of a number.
        resample_probability: Probability of a sample in place of a change.
        fixed: Names of hyperparameters that keep the parent's value.

    Example:
        >>> problem = HpProblem()
        >>> _ = problem.add_dim("lr", (1e-4, 1.0, "log-uniform"))
        >>> perturbed(problem, {"lr": 0.1}, np.random.RandomState(0), factors=[0.5], resample_probability=0.0)
        {'lr': 0.05}
    """
    for _ in range(TRIES):
        values = {}
        for name, dimension in problem.space.items():
            keeps = name in fixed and name in point
            sampled = random.random_sample() < resample_probability or name not in point
            factor = factors[random.randint(len(factors))]
            if keeps:
                values[name] = point[name]
            elif sampled:
                values[name] = at(dimension, dimension.sample_vector(1, seed=random))[0]
            else:
                values[name] = _moved(dimension, point[name], factor)
        try:
            return problem.checked(values)
        except UserError:  # a clause forbids it
            continue
    return dict(point)


def _moved(dimension: Hyperparameter, value: Any, factor: float) -> Any:
    """Return a value near another one, above it if the factor is above 1."""
    if isinstance(dimension, INTEGERS | FLOATS):
        moved = value * factor
        if isinstance(dimension, INTEGERS):
            step = 1 if factor > 1 else -1
            moved = value + step if round(moved) == value else round(moved)
        return min(max(moved, dimension.lower), dimension.upper)
    if isinstance(dimension, cs.OrdinalHyperparameter):
        choices = choices_of(dimension)
        index = int(places(dimension, [value])[0]) + (1 if factor > 1 else -1)
        return choices[min(max(index, 0), len(choices) - 1)]
    return value
