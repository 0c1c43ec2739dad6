"""Asynchronous model-based search: proposes the points that a model of the objective ranks highest.

The model is fitted anew in each call, so a proposal is a pure function of the journal. Points are rows in the unit
cube (:mod:`~dh_project.hps.searchers.cube`), so that the models see logarithmic ranges as such and all spaces have
the same form. No objective is invented for a pending point. Inventions outnumber the real data with many workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from dh_project.common.errors import UserError
from dh_project.hps.searchers.acquisition import ACQUISITIONS
from dh_project.hps.searchers.base import TOO_NEAR, TRIES, Searcher
from dh_project.hps.searchers.cube import distances
from dh_project.hps.searchers.gaussian_process import GaussianProcess, Posterior
from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.hps.searchers.told import UNFINISHED, final_objectives, most_telling, warped
from dh_project.problem import HpProblem
from dh_project.trial.trial import Point, Trial

PERIOD = 10
"""Number of proposals over which kappa and xi decay before they start again (DeepHyper's own schedule)."""

FINAL = {"kappa": 0.01, "xi": 1e-4}

MOST_TOLD = {"GP": 100, "ET": 1000, "RF": 1000}
"""Largest number of trials for a fit. It bounds the cost of a proposal in long searches."""

MOST_PENDING = 64
"""Largest number of pending points, the newest ones, near which the variance of a Gaussian process is reduced."""

ANYWHERE, NEARBY = 200, 500
"""Number of candidates from the whole space, and around the best trials."""

PARENTS = 10
"""Number of best trials around which candidates are drawn."""

EQUAL = 1e-9
"""Distance below which two points are equal up to rounding."""


class AMBS(Searcher):
    """Proposes the points that a surrogate model of the objective ranks highest.

    Args:
        problem: The space to search.
        seed: Equal seeds give equal proposals.
        settings: The surrogate and the acquisition function.
    """

    name = "ambs"

    def __init__(self, problem: HpProblem, seed: int, settings: AMBSSettings) -> None:
        super().__init__(problem, seed)
        self.settings = settings
        self._surrogate = settings.surrogate_for(self.cube.width)
        if self._surrogate in ("ET", "RF"):
            from dh_project.hps.searchers.trees import Trees

            self._trees = Trees(self.cube, settings, self._surrogate)

    def candidates(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterator[Point]:
        """Yield the points that the model ranks highest; random points if there are few trials.

        Raises:
            ValueError: The fit of the model failed. The search then takes random points.
        """
        if self._has_model(ended):
            ranked = self._ranked_by_process if self._surrogate == "GP" else self._ranked_by_trees
            for row in ranked(number, count, ended, pending):
                with suppress(UserError):  # the space forbids it
                    yield self.cube.point(row)
            return
        for attempt in range(TRIES):
            for proposal in range(number, number + count):
                yield self.problem.sample(self.seed_of(proposal, attempt))

    def recommended(self, ended: Sequence[Trial]) -> Trial | None:
        """Return the trial that a Gaussian process expects to be the best one.

        The best observed objective is often a lucky one, if objectives are noisy. The process learns the noise, and
        compares a trial with others nearby. Without a process, or with few trials, it is the best observed trial.
        """
        observed = super().recommended(ended)
        if observed is None or self._surrogate != "GP" or not self._has_model(ended):
            return observed
        objectives = final_objectives(ended)
        chosen = most_telling(objectives, MOST_TOLD["GP"])
        told = [ended[index] for index in chosen]
        process = self._process(self.cube.vectors([trial.point for trial in told]), objectives[chosen])
        unfinished = observed.state in UNFINISHED
        means = {
            float(mean): trial
            for mean, trial in zip(process.mean(process.rows), told, strict=True)
            if trial.objective is not None and (unfinished or trial.state not in UNFINISHED)
        }
        return means[max(means)] if means else observed

    def _has_model(self, ended: Sequence[Trial]) -> bool:
        """Return whether there is a model: there are enough trials, and one has an objective."""
        return (
            self._surrogate != "DUMMY"
            and self.cube.width > 0
            and len(ended) >= self.settings.n_initial_points
            and any(trial.objective is not None for trial in ended)
        )

    def _process(self, vectors: np.ndarray, objectives: np.ndarray) -> GaussianProcess:
        """Return a Gaussian process fitted to rows (trials, hyperparameters) and objectives (trials,)."""
        return GaussianProcess(self.cube.features(vectors), warped(objectives))

    def _ranked_by_process(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterator[np.ndarray]:
        """Yield the rows (hyperparameters,) that maximise the acquisition function, the best first."""
        objectives = final_objectives(ended)
        told = most_telling(objectives, MOST_TOLD["GP"])
        vectors, objectives = self.cube.vectors([ended[index].point for index in told]), objectives[told]
        process = self._process(vectors, objectives)
        means = np.where(np.isnan(objectives), -np.inf, process.mean(process.rows))
        rows = self._drawn(number, vectors, means, pending)
        busy = self.cube.features(self.cube.vectors([trial.point for trial in pending[-MOST_PENDING:]]))
        posterior = Posterior(process, self.cube.features(rows), busy)
        score, weights = ACQUISITIONS[self.settings.acquisition_for("GP", number)], self._weights(number)
        best = max(means.max(), process.mean(busy).max(initial=-np.inf))
        is_left = np.ones(len(rows), dtype=bool)
        for _ in rows:
            values = score(posterior.mean, posterior.deviation, best, **weights)
            index = int(np.where(is_left, values, -np.inf).argmax())
            yield rows[index]
            is_left[index] = False
            posterior.take(index)
            best = max(best, posterior.mean[index])

    def _parents(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the best rows, and the best one of each combination of values on which hyperparameters depend."""
        ranked = _highest(values, len(rows))
        first = np.unique(rows[ranked][:, self.cube.decides], axis=0, return_index=True)[1]
        return rows[np.union1d(ranked[:PARENTS], ranked[np.sort(first)[:PARENTS]])]

    def _ranked_by_trees(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> list[np.ndarray]:
        """Return the rows (hyperparameters,) that DeepHyper's CBO ranks highest, the best first."""
        objectives = final_objectives(ended)
        told = most_telling(objectives, MOST_TOLD[self._surrogate])
        vectors, objectives = self.cube.vectors([ended[index].point for index in told]), objectives[told]
        drawn = self._drawn(number, vectors, objectives, pending)
        seed, weights = self.seed_of(number, 0), self._weights(number)
        return self._trees.ranked(vectors, objectives, drawn, count, seed, weights)

    def _drawn(
        self, number: int, vectors: np.ndarray, values: np.ndarray, pending: Sequence[Trial]
    ) -> np.ndarray:
        """Return candidates: rows of the whole space and around the best trials, not near any known point."""
        seed, parents = self.seed_of(number, 1), self._parents(vectors, values)
        rows = np.concatenate([self.cube.sample(ANYWHERE, seed), self.cube.around(parents, NEARBY, seed)])
        waiting = self.cube.vectors([trial.point for trial in pending])
        free = (distances(rows, waiting) >= TOO_NEAR) & (distances(rows, vectors) >= EQUAL)
        return rows[free] if free.any() else rows

    def _weights(self, number: int) -> dict[str, float]:
        """Return kappa and xi of a proposal."""
        decay = number % PERIOD / PERIOD
        return {
            "kappa": _decayed(self.settings.kappa, FINAL["kappa"], decay),
            "xi": _decayed(self.settings.xi, FINAL["xi"], decay),
        }


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of at most ``count`` largest values, the largest first; nan and -inf are left out."""
    ranked = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    best: np.ndarray = ranked[np.isfinite(values[ranked])][:count]
    return best


def _decayed(start: float, end: float, part: float) -> float:
    """Return a value after a share (0 to 1) of its exponential decay from start to end."""
    return start if start <= end else start * math.exp(part * math.log(end / start))
