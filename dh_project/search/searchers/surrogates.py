"""The surrogate models that CBO is given, and the trials that they are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize

from dh_project.trial.trial import Trial

MOST_TOLD = {"GP": 80, "ET": 1000, "RF": 1000}
"""Most trials that a model is fitted to, so that a proposal costs the same however long the search is."""

MOST_STEPS = 15
"""Most steps in which a Gaussian process fits its length scales."""


def most_telling(ended: Sequence[Trial], most: int) -> list[Trial]:
    """Return at most so many trials, in their order: the best half, and others spread evenly over the search.

    The best tell where the optimum is; the others, failures among them, where it is not.

    Args:
        ended: Finished trials.
        most: How many, at least 2.
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

    # As CBO's own, with one bounded fit of the length scales in place of three unbounded ones: ten times faster.
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
    """Return a kernel's parameters and their loss, as scikit-learn asks of an ``optimizer``."""
    found = minimize(loss, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": MOST_STEPS})
    return found.x, found.fun
