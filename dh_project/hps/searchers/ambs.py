"""Asynchronous model-based search: DeepHyper's CBO, called by ``ask`` and ``tell`` as a pure function.

Each call creates a new CBO, seeded by (seed, number), and tells it the ended trials. A CBO that is kept would propose
the same point again until it is told a result, and could not be rebuilt after an interruption. A new one needs only
the journal. Points are rows in the unit cube (:mod:`~dh_project.hps.searchers.cube`), so that the models see
logarithmic ranges as such and all spaces have the same form. CBO chooses among candidates that keep a distance from
the pending points. So it needs no invented objectives for them, which outnumber the real data with many workers.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import ConfigSpace as cs
import numpy as np

from dh_project.common.errors import UserError
from dh_project.hps.searchers.base import TOO_NEAR, TRIES, Searcher
from dh_project.hps.searchers.cube import distances
from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.hps.searchers.surrogates import MOST_TOLD, most_telling, surrogate
from dh_project.problem import HpProblem
from dh_project.trial.trial import Point, Trial
from dh_project.user_code.importing import without_mpi4py

PERIOD = 10
"""Number of proposals over which kappa and xi decay before they start again (DeepHyper's own schedule)."""

FINAL = {"kappa": 0.01, "xi": 1e-4}

ANYWHERE, NEARBY = 500, 500
"""Number of candidates from the whole space, and around the best trials."""

PARENTS = 10
"""Number of best trials around which candidates are drawn."""

SPARE = 10
"""CBO is asked for this many times more points than needed, because some are near each other."""

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
        with without_mpi4py():
            from deephyper.hpo import CBO
            from deephyper.hpo import HpProblem as DeepHyperProblem
        self._cbo_class, self._problem_class = CBO, DeepHyperProblem
        self._names = [f"feature{index:03d}" for index in range(self.cube.width)]
        self._features = cs.ConfigurationSpace(dict.fromkeys(self._names, (0.0, 1.0)))
        self._surrogate = settings.surrogate_for(self.cube.width)
        logging.getLogger("deephyper").setLevel(logging.WARNING)
        # For good, not per call: catch_warnings would change the filters under the thread that runs the search.
        warnings.filterwarnings("ignore", module=r"(deephyper|sklearn)\b")

    def candidates(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterator[Point]:
        """Yield the points that a new CBO ranks highest; random points if there are few trials.

        Raises:
            ValueError: The fit of the model failed. The search then takes random points.
        """
        has_model = len(ended) >= self.settings.n_initial_points and any(
            trial.objective is not None for trial in ended
        )
        if has_model and self._surrogate != "DUMMY" and self._names:
            for row in self._ranked(number, count, ended, pending):
                with suppress(UserError):  # the space forbids it
                    yield self.cube.point(row)
            return
        for attempt in range(TRIES):
            for proposal in range(number, number + count):
                yield self.problem.sample(self.seed_of(proposal, attempt))

    def _ranked(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> list[np.ndarray]:
        """Return the rows (hyperparameters,) that CBO ranks highest, the best first."""
        told = most_telling(ended, MOST_TOLD[self._surrogate])
        vectors = self.cube.vectors([trial.point for trial in told])
        objectives = [trial.objective for trial in told]
        drawn = self._drawn(number, vectors, objectives, pending)
        cbo = self._cbo(number, drawn)
        cbo.tell(list(zip(self._rows(vectors), ["F" if o is None else o for o in objectives], strict=True)))
        asked = cbo.ask(1) + cbo.ask(SPARE + SPARE * count)  # gp_hedge applies to the first call only
        return [self.cube.vector(np.array([row[name] for name in self._names])) for row in asked]

    def _drawn(
        self,
        number: int,
        vectors: np.ndarray,
        objectives: Sequence[float | None],
        pending: Sequence[Trial],
    ) -> np.ndarray:
        """Return CBO's candidates: rows of the whole space and around the best trials, not near any known point."""
        succeeded = [index for index, objective in enumerate(objectives) if objective is not None]
        best = sorted(succeeded, key=lambda index: -(objectives[index] or 0.0))[:PARENTS]
        seed = self.seed_of(number, 1)
        rows = np.concatenate(
            [self.cube.sample(ANYWHERE, seed), self.cube.around(vectors[best], NEARBY, seed)]
        )
        taken = self.cube.vectors([trial.point for trial in pending])
        free = (distances(rows, taken) >= TOO_NEAR) & (distances(rows, vectors) >= EQUAL)
        return rows[free] if free.any() else rows

    def _rows(self, vectors: np.ndarray) -> list[dict[str, float]]:
        """Return rows in the form of CBO's points."""
        return [dict(zip(self._names, row, strict=True)) for row in self.cube.features(vectors).tolist()]

    def _cbo(self, number: int, drawn: np.ndarray) -> Any:
        """Return a new CBO that chooses among the drawn rows."""
        settings, seed = self.settings, self.seed_of(number, 0)
        decay = number % PERIOD / PERIOD
        model, model_kwargs = surrogate(self._surrogate, self.cube.width, seed)
        problem = self._problem_class(self._features)
        problem.set_sampling_fn(lambda size: self._rows(drawn))
        return self._cbo_class(
            problem,
            random_state=seed,
            surrogate_model=model,
            surrogate_model_kwargs=model_kwargs,
            acq_func=settings.acq_func.removesuffix("d") if self._surrogate == "GP" else settings.acq_func,
            acq_func_kwargs={
                "kappa": _decayed(settings.kappa, FINAL["kappa"], decay),
                "xi": _decayed(settings.xi, FINAL["xi"], decay),
                "scheduler": {
                    "type": "constant"
                },  # we decay them: a new CBO does not know the number of the proposal
            },
            acq_optimizer="sampling",
            acq_optimizer_kwargs={
                "n_points": len(drawn),
                "max_total_failures": -1,
                "n_jobs": settings.n_jobs,
            },
            multi_point_strategy="topk",
            n_initial_points=0,
            checkpoint_history_to_csv=False,
        )


def _decayed(start: float, end: float, part: float) -> float:
    """Return a value after a share (0 to 1) of its exponential decay from start to end."""
    return start if start <= end else start * math.exp(part * math.log(end / start))
