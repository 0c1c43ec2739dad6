"""Asynchronous model-based search: DeepHyper's CBO, driven through ``ask`` and ``tell`` as a pure function.

Proposal k comes from a fresh CBO, seeded by (seed, k) and told all ended trials. A CBO that is carried along
proposes the same point again until it is told something, and cannot be rebuilt after an interruption; a fresh
one costs 0.1 s and needs nothing but the journal. Pending points are kept away from by distance
(:class:`Searcher`), not by lies about their objectives, which with many workers drown the data.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from typing import Any

import ConfigSpace as cs

from dh_project.errors import UserError, one_line
from dh_project.loading import without_mpi4py
from dh_project.problem import HpProblem
from dh_project.searchers.base import Searcher
from dh_project.searchers.settings import AMBSSettings
from dh_project.trial import Point, State, Trial

PERIOD = 10
"""Proposals in which kappa and xi decay, before they start high again (DeepHyper's own schedule)."""

FINAL = {"kappa": 0.01, "xi": 1e-4}


class AMBS(Searcher):
    """Proposes where a surrogate model of the objective promises most.

    Args:
        problem: The space to search.
        seed: Equal seeds give equal proposals.
        settings: The surrogate and the acquisition function.

    Raises:
        UserError: DeepHyper cannot model the problem's space.
    """

    name = "ambs"

    def __init__(self, problem: HpProblem, seed: int, settings: AMBSSettings) -> None:
        super().__init__(problem, seed)
        self.settings = settings
        with without_mpi4py():
            from deephyper.hpo import CBO
            from deephyper.hpo import HpProblem as DeepHyperProblem
        self._cbo_class = CBO
        self._cbo_problem = DeepHyperProblem(problem.space)
        logging.getLogger("deephyper").setLevel(logging.WARNING)
        self._rehearse()

    def _rehearse(self) -> None:
        """Propose once from made-up results: what CBO cannot model is better known before the search than in it."""
        count = max(2, self.settings.n_initial_points)
        points = [self.problem.sample(number) for number in range(count)]
        trials = [Trial(n, point, "", 1, State.DONE, float(n)) for n, point in enumerate(points)]
        try:
            self.candidate(0, 0, trials)
        except Exception as error:  # DeepHyper raises many kinds
            raise UserError(
                f"DeepHyper cannot model this space ({type(error).__name__}: {one_line(error)}); "
                f"write normal distributions as ranges and choices of one type, or search with hps random"
            ) from error

    def candidate(self, number: int, attempt: int, ended: Sequence[Trial]) -> Point:
        """Return what a fresh CBO asks for after it is told the ended trials; random while there are few."""
        has_model = len(ended) >= self.settings.n_initial_points and any(
            trial.objective is not None for trial in ended
        )
        if not has_model or self.settings.surrogate_model == "DUMMY":
            return self.problem.sample(self.seed_of(number, attempt))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cbo = self._cbo(number, attempt)
            cbo.tell([(self._filled(trial.point), _told(trial)) for trial in ended])
            return self.problem.checked(self._active(cbo.ask(1)[0]))

    def _cbo(self, number: int, attempt: int) -> Any:
        settings = self.settings
        trees = {"n_estimators": 25, "min_impurity_decrease": 0.0} if settings.surrogate_model == "ET" else {}
        decay = (number % PERIOD) / PERIOD
        return self._cbo_class(
            self._cbo_problem,
            random_state=self.seed_of(number, attempt),
            surrogate_model=settings.surrogate_model,
            surrogate_model_kwargs=trees,
            acq_func=settings.acq_func,
            acq_func_kwargs={
                "kappa": _decayed(settings.kappa, FINAL["kappa"], decay),
                "xi": _decayed(settings.xi, FINAL["xi"], decay),
                "scheduler": {"type": "constant"},  # ours: a fresh CBO does not know how far the search is
            },
            acq_optimizer="sampling",
            acq_optimizer_kwargs={"max_total_failures": -1, "n_jobs": settings.n_jobs},
            n_initial_points=0,
            checkpoint_history_to_csv=False,
        )

    def _filled(self, point: Point) -> Point:
        """Give inactive hyperparameters the stand-ins that CBO wants: the lower bound or the first choice."""
        return {
            name: point[name] if name in point else _stand_in(self.problem.space[name])
            for name in self.problem.space
        }

    def _active(self, point: Point) -> Point:
        """Leave out the hyperparameters that the others make inactive."""
        configuration = cs.util.deactivate_inactive_hyperparameters(point, self.problem.space)
        return {name: value for name, value in point.items() if name in dict(configuration)}


def _decayed(start: float, end: float, part: float) -> float:
    """Return the value after a part (0 to 1) of its exponential decay."""
    return start if start <= end else start * math.exp(part * math.log(end / start))


def _told(trial: Trial) -> float | str:
    return f"F_{trial.state}" if trial.objective is None else trial.objective


def _stand_in(dimension: Any) -> Any:
    if isinstance(dimension, cs.CategoricalHyperparameter):
        return dimension.choices[0]
    if isinstance(dimension, cs.OrdinalHyperparameter):
        return dimension.sequence[0]
    if isinstance(dimension, cs.Constant):
        return dimension.value
    return dimension.lower
