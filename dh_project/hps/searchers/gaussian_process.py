"""A Gaussian process with priors on all its parameters, fitted in milliseconds.

The kernel is Matern-5/2 with a length scale for each feature, plus noise of a fitted variance. The parameters are
the most probable ones under log-normal priors, as in BoTorch, so that a fit to few or noisy objectives does not take
noise for a signal. scikit-learn's process has no priors, and the gradient of its likelihood needs an array of (rows,
rows, features), which is ten times slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

ROOT5 = math.sqrt(5.0)

MOST_STEPS = 30
"""Largest number of optimizer steps of a fit."""

JITTER = 1e-8
"""Added to the variance of the noise, so that the covariance can be factored."""

SMALLEST = 1e-12
"""Smallest posterior variance."""

BOUNDS = {"scales": (-4.0, 6.0), "variance": (-4.0, 4.0), "noise": (-14.0, 1.0)}
"""Bounds of the parameters' logarithms."""


@dataclass(frozen=True)
class Prior:
    """Normal distributions of the logarithms of the parameters of standardised objectives.

    Attributes:
        scales: Mean and standard deviation for the length scales in one dimension; the mean grows with the square
            root of the number of features, as distances do.
        variance: For the variance of the signal.
        noise: For the variance of the noise.
    """

    scales: tuple[float, float] = (-0.7, 1.0)
    variance: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (-5.0, 2.0)

    def of(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations of all parameters: float64 (width + 2,) each."""
        shift = math.log(width) / 2
        rows = [(self.scales[0] + shift, self.scales[1])] * width + [self.variance, self.noise]
        means, deviations = np.array(rows).T
        return means, deviations


class GaussianProcess:
    """A Gaussian process fitted to rows of features and their objectives.

    Args:
        rows: Features in [0, 1], float64 (rows, features).
        objectives: Float64 (rows,), about standardised.
        prior: Prior of the parameters.

    Example:
        >>> rows = np.linspace(0, 1, 12)[:, None]
        >>> process = GaussianProcess(rows, np.sin(6 * rows[:, 0]))
        >>> float(process.mean(np.array([[0.25]]))[0].round(1))
        1.0
    """

    def __init__(self, rows: np.ndarray, objectives: np.ndarray, prior: Prior | None = None) -> None:
        self.rows, self.objectives = rows, objectives
        self._means, self._deviations = (prior or Prior()).of(rows.shape[1])
        bounds = [BOUNDS["scales"]] * rows.shape[1] + [BOUNDS["variance"], BOUNDS["noise"]]
        options = {"maxiter": MOST_STEPS}
        fit = minimize(self._loss, self._means, method="L-BFGS-B", jac=True, bounds=bounds, options=options)
        found = fit.x
        self.scales, self.variance, self.noise = np.exp(found[:-2]), math.exp(found[-2]), math.exp(found[-1])
        self.factor = self.factor_of(rows)
        self.weights = cho_solve((self.factor, True), objectives)

    def covariance(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the covariances of rows and others: float64 (rows, others)."""
        r = ROOT5 * cdist(rows / self.scales, others / self.scales)
        return self.variance * (1 + r + r**2 / 3) * np.exp(-r)

    def factor_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the lower Cholesky factor of the covariance of rows' noisy objectives: float64 (rows, rows)."""
        noise = (self.noise + JITTER) * np.eye(len(rows))
        factor: np.ndarray = cholesky(self.covariance(rows, rows) + noise, lower=True)
        return factor

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Return the posterior mean of rows: float64 (rows,)."""
        return self.covariance(rows, self.rows) @ self.weights

    def _loss(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the negative logarithm of the posterior density of parameters, and its gradient."""
        scales, variance, noise = np.exp(logs[:-2]), math.exp(logs[-2]), math.exp(logs[-1])
        scaled = self.rows / scales
        r = ROOT5 * cdist(scaled, scaled)
        decay = variance * np.exp(-r)
        signal = (1 + r + r**2 / 3) * decay
        count = len(scaled)
        factor = cholesky(signal + (noise + JITTER) * np.eye(count), lower=True, check_finite=False)
        inverse = cho_solve((factor, True), np.eye(count), check_finite=False)
        weights = inverse @ self.objectives
        away = (logs - self._means) / self._deviations
        loss = self.objectives @ weights / 2 + np.log(np.diag(factor)).sum() + (away**2).sum() / 2
        slope = (inverse - np.outer(weights, weights)) / 2
        # d signal / d log scale = 5/3 (1 + r) decay times the squared distance in that feature
        by = slope * (1 + r) * decay * (5 / 3)
        gradient = away / self._deviations
        gradient[:-2] += 2 * (by.sum(axis=1) @ scaled**2 - (scaled * (by @ scaled)).sum(axis=0))
        gradient[-2] += (slope * signal).sum()
        gradient[-1] += noise * np.trace(slope)
        return float(loss), gradient


class Posterior:
    """Mean and variance of candidates, given the objectives and the rows whose objectives are pending.

    A pending row leaves the mean as it is and only reduces the variance nearby. So no objective is invented for it.

    Args:
        process: The fitted process.
        candidates: Float64 (candidates, features).
        pending: Float64 (pending, features).

    Attributes:
        mean: Float64 (candidates,).
        variance: Float64 (candidates,).
    """

    def __init__(self, process: GaussianProcess, candidates: np.ndarray, pending: np.ndarray) -> None:
        self._process, self._candidates = process, candidates
        known = np.concatenate([process.rows, pending])
        factor = process.factor_of(known) if len(pending) else process.factor
        cross = process.covariance(known, candidates)
        self.mean = cross[: len(process.rows)].T @ process.weights
        self._solved = solve_triangular(factor, cross, lower=True)
        self.variance = np.maximum(process.variance - (self._solved**2).sum(axis=0), SMALLEST)

    @property
    def deviation(self) -> np.ndarray:
        """Posterior standard deviations without the noise: float64 (candidates,)."""
        return np.sqrt(self.variance)

    def take(self, index: int) -> None:
        """Treat a candidate as pending."""
        process = self._process
        cross = process.covariance(self._candidates[index : index + 1], self._candidates)[0]
        row = (cross - self._solved[:, index] @ self._solved) / math.sqrt(
            self.variance[index] + process.noise
        )
        self._solved = np.concatenate([self._solved, row[None]])
        self.variance = np.maximum(self.variance - row**2, SMALLEST)
