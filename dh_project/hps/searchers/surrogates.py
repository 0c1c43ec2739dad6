"""The surrogate models for CBO, and the choice of trials that they are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize

from dh_project.trial.trial import Trial

MOST_TOLD = {"GP": 80, "ET": 1000, "RF": 1000}
"""Largest number of trials for a fit. It bounds the cost of a proposal in long searches."""

MOST_STEPS = 15
"""Largest number of optimizer steps for the length scales of a Gaussian process."""


def most_telling(ended: Sequence[Trial], most: int) -> list[Trial]:
    """Return at most ``most`` trials for a fit, in their order.

    One half are the best trials, which locate the optimum. The others, also failures, are evenly spread over the
    search and show bad regions.

    Args:
        ended: Ended trials.
        most: Largest number of trials, at least 2.

    Example:
        >>> ended = [Trial(n, {}, "random", objective=-float(n)) for n in range(6)]
        >>> [trial.id for trial in most_telling(ended, 4)]
        [0, 1, 2, 5]
    """
    if len(ended) <= most:
        return list(ended)
    losses = np.array([np.inf if trial.objective is None else -trial.objective for trial in ended])
    ranked = np.argsort(losses, kind="stable")
    best, others = ranked[: most // 2], np.sort(ranked[most // 2 :])
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).round().astype(int)]
    return [ended[index] for index in np.sort(np.concatenate([best, spread]))]


def surrogate(name: str, width: int, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return CBO's ``surrogate_model`` and ``surrogate_model_kwargs``.

    Args:
        name: ``GP``, ``ET`` or ``RF``.
        width: Number of features.
        seed: Equal seeds give equal models.
    """
    if name == "ET":
        return "ET", {"n_estimators": 25, "min_impurity_decrease": 0.0}
    if name != "GP":
        return name, {}
    from deephyper.skopt.learning import GaussianProcessRegressor
    from deephyper.skopt.learning.gaussian_process.kernels import ConstantKernel, Matern

    # The same as CBO's own, but with one bounded fit of the length scales, not three unbounded ones: 10 times faster.
    scales = Matern(length_scale=np.ones(width), length_scale_bounds=[(0.05, 100.0)] * width, nu=2.5)
    process = GaussianProcessRegressor(
        kernel=ConstantKernel(1.0, (0.01, 1000.0)) * scales,
        optimizer=_fit,
        normalize_y=True,
        noise="gaussian",
        random_state=seed,
    )
    return process, {}


def _fit(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return a kernel's parameters and their loss, as scikit-learn requires from an ``optimizer``."""
    found = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": MOST_STEPS})
    return found.x, found.fun
