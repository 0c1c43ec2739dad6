"""Proposals from a model of trees: DeepHyper's CBO, called by ``ask`` and ``tell`` as a pure function.

Each call creates a new CBO. One that is kept would propose the same point again until it is told a result, and could
not be rebuilt after an interruption. CBO chooses among given candidates, which keep a distance from the pending
points. So it needs no invented objectives for them, which outnumber the real data with many workers.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import ConfigSpace as cs
import numpy as np

from dh_project.hps.searchers.cube import Cube
from dh_project.hps.searchers.settings import AMBSSettings
from dh_project.user_code.importing import without_mpi4py

SETTINGS: dict[str, dict[str, Any]] = {"ET": {"n_estimators": 25, "min_impurity_decrease": 0.0}, "RF": {}}
"""CBO's ``surrogate_model_kwargs`` of each model."""

SPARE = 10
"""CBO is asked for this many times more points than needed, because some are near each other."""


class Trees:
    """Ranks candidates with CBO.

    Args:
        cube: Converts points to rows.
        settings: The surrogate and the acquisition function.
        surrogate: ``ET`` or ``RF``.
    """

    def __init__(self, cube: Cube, settings: AMBSSettings, surrogate: str) -> None:
        self.cube, self.settings, self.surrogate = cube, settings, surrogate
        with without_mpi4py():
            from deephyper.hpo import CBO
            from deephyper.hpo import HpProblem as DeepHyperProblem
        self._cbo_class, self._problem_class = CBO, DeepHyperProblem
        self._names = [f"feature{index:03d}" for index in range(cube.width)]
        self._features = cs.ConfigurationSpace(dict.fromkeys(self._names, (0.0, 1.0)))
        logging.getLogger("deephyper").setLevel(logging.WARNING)
        # For good, not per call: catch_warnings would change the filters under the thread that runs the search.
        warnings.filterwarnings("ignore", module=r"(deephyper|sklearn)\b")

    def ranked(
        self,
        vectors: np.ndarray,
        objectives: np.ndarray,
        drawn: np.ndarray,
        count: int,
        seed: int,
        weights: dict[str, float],
    ) -> list[np.ndarray]:
        """Return the candidates, each (hyperparameters,), that CBO ranks highest, the best first.

        Args:
            vectors: Rows of the trials to tell, float64 (trials, hyperparameters).
            objectives: Their objectives, float64 (trials,); nan for a failure.
            drawn: Rows of the candidates, float64 (candidates, hyperparameters).
            count: Number of proposals.
            seed: Equal seeds give equal results.
            weights: ``kappa`` and ``xi`` of the acquisition function.
        """
        cbo = self._cbo(drawn, seed, weights)
        told = ["F" if np.isnan(objective) else objective for objective in objectives.tolist()]
        cbo.tell(list(zip(self._rows(vectors), told, strict=True)))
        asked = cbo.ask(1) + cbo.ask(SPARE + SPARE * count)  # gp_hedge applies to the first call only
        return [self.cube.vector(np.array([row[name] for name in self._names])) for row in asked]

    def _rows(self, vectors: np.ndarray) -> list[dict[str, float]]:
        """Return rows in the form of CBO's points."""
        return [dict(zip(self._names, row, strict=True)) for row in self.cube.features(vectors).tolist()]

    def _cbo(self, drawn: np.ndarray, seed: int, weights: dict[str, float]) -> Any:
        """Return a new CBO that chooses among the drawn rows."""
        problem = self._problem_class(self._features)
        problem.set_sampling_fn(lambda size: self._rows(drawn))
        return self._cbo_class(
            problem,
            random_state=seed,
            surrogate_model=self.surrogate,
            surrogate_model_kwargs=SETTINGS[self.surrogate],
            acq_func=self.settings.acquisition_for(self.surrogate, 0),
            # The weights decay in ambs.py: a new CBO does not know the number of the proposal.
            acq_func_kwargs={**weights, "scheduler": {"type": "constant"}},
            acq_optimizer="sampling",
            acq_optimizer_kwargs={
                "n_points": len(drawn),
                "max_total_failures": -1,
                "n_jobs": self.settings.n_jobs,
            },
            multi_point_strategy="topk",
            n_initial_points=0,
            checkpoint_history_to_csv=False,
        )
