"""Acquisition functions: how promising candidates are, from the mean and deviation that a model predicts for them.

Each takes the predicted means and standard deviations, float64 (candidates,), the value to improve on, and the
weights ``kappa`` and ``xi``, and returns a value for each candidate, float64 (candidates,). The largest is the best.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtr

ROOT_2PI = np.sqrt(2 * np.pi)

FAR = -25.0
"""Below it, the logarithm of the expected improvement is taken from its asymptotic series."""


def upper_bound(
    mean: np.ndarray, deviation: np.ndarray, best: float, *, kappa: float, xi: float
) -> np.ndarray:
    """Return the upper confidence bound: the mean plus ``kappa`` standard deviations."""
    return mean + kappa * deviation


def probability(
    mean: np.ndarray, deviation: np.ndarray, best: float, *, kappa: float, xi: float
) -> np.ndarray:
    """Return the logarithm of the probability of an improvement by more than ``xi``."""
    values: np.ndarray = log_ndtr((mean - best - xi) / deviation)
    return values


def expected_improvement(
    mean: np.ndarray, deviation: np.ndarray, best: float, *, kappa: float, xi: float
) -> np.ndarray:
    """Return the logarithm of the expected improvement by more than ``xi``.

    The logarithm still ranks candidates whose expected improvement is too small for a float (Ament et al.,
    "Unexpected improvements to expected improvement", 2023).

    Example:
        >>> expected_improvement(np.array([0.0, -9.0]), np.array([1.0, 1.0]), 0.0, kappa=0.0, xi=0.0).round(2)
        array([ -0.92, -45.85])
    """
    z = (mean - best - xi) / deviation
    density = np.exp(-(z**2) / 2) / ROOT_2PI
    near = np.log(np.maximum(density + z * ndtr(z), 1e-300))
    far = np.minimum(z, FAR)
    series = -(far**2) / 2 - np.log(ROOT_2PI) - 2 * np.log(-far) + np.log1p(-3 / far**2)
    values: np.ndarray = np.log(deviation) + np.where(z > FAR, near, series)
    return values


ACQUISITIONS = {"UCB": upper_bound, "PI": probability, "EI": expected_improvement}
