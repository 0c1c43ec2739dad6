"""Asynchronous model-based search: DeepHyper's CBO, driven through ``ask`` and ``tell`` as a pure function.

Each call makes one fresh CBO, seeded by (seed, number) and told the ended trials. A CBO that is carried along
proposes the same point again until it is told something, and cannot be rebuilt after an interruption; a fresh
one needs nothing but the journal. Points are given in the unit cube (:mod:`~dh_project.search.searchers.cube`): there
its models see a logarithmic range as it was meant and any space is one of plain numbers. It chooses among
candidates that keep away from the pending points, so it needs no lies about their objectives, which with many
workers drown the data.
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

from dh_project.common.errors import UserError, one_line
from dh_project.problem import HpProblem
from dh_project.search.searchers.base import TOO_NEAR, TRIES, Searcher
from dh_project.search.searchers.cube import distances
from dh_project.search.searchers.settings import AMBSSettings
from dh_project.search.searchers.surrogates import MOST_TOLD, most_telling, surrogate
from dh_project.trial.trial import Point, Trial
from dh_project.user_code.importing import without_mpi4py

log = logging.getLogger("dh_project")

PERIOD = 10
"""Proposals in which kappa and xi decay, before they start high again (DeepHyper's own schedule)."""

FINAL = {"kappa": 0.01, "xi": 1e-4}

ANYWHERE, NEARBY = 500, 500
"""Candidates drawn from the whole space, and around the best trials."""

PARENTS = 10
"""Best trials around which candidates are drawn."""

SPARE = 10
"""How many times more points are asked for than are wanted, for some are near to each other."""

EQUAL = 1e-9
"""Distance below which two points are one, but for rounding."""


class AMBS(Searcher):
    """Proposes where a surrogate model of the objective promises most.

    Args:
        problem: The space to search.
        seed: Equal seeds give equal proposals.
        settings: The surrogate and the acquisition function.
    """

    name = "ambs"

    def __init__(self, problem: HpProblem, seed: int, settings: AMBSSettings) -> None:
        super().__init__(problem, seed)
        self.settings = settings
        # For good, not per call: catch_warnings would change the filters under the thread that runs the search.
        warnings.filterwarnings("ignore", module=r"(deephyper|sklearn|tqdm)\b")
        for name in (
            "deephyper",
            "ray.widgets",
        ):  # in a notebook, tqdm and Ray ask for widgets that no search uses
            logging.getLogger(name).setLevel(logging.WARNING)
        with without_mpi4py():
            from deephyper.hpo import CBO
            from deephyper.hpo import HpProblem as DeepHyperProblem
        self._cbo_class, self._problem_class = CBO, DeepHyperProblem
        self._names = [f"feature{index:03d}" for index in range(self.cube.width)]
        self._features = cs.ConfigurationSpace(dict.fromkeys(self._names, (0.0, 1.0)))
        self._surrogate = settings.surrogate_for(self.cube.width)

    def candidates(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterator[Point]:
        """Yield the points that one fresh CBO ranks highest; random ones while there are few trials."""
        has_model = len(ended) >= self.settings.n_initial_points and any(
            trial.objective is not None for trial in ended
        )
        if has_model and self._surrogate != "DUMMY" and self._names:
            try:
                rows = self._ranked(number, count, ended, pending)
            except ValueError as error:  # LinAlgError among them: a long search shall not end for one bad fit
                log.warning(
                    "proposal %d is a random point, for the model failed: %s", number, one_line(error)
                )
            else:
                for row in rows:
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
        asked = cbo.ask(1) + cbo.ask(SPARE + SPARE * count)  # gp_hedge's choice is in the first alone
        return [self.cube.vector(np.array([row[name] for name in self._names])) for row in asked]

    def _drawn(
        self,
        number: int,
        vectors: np.ndarray,
        objectives: Sequence[float | None],
        pending: Sequence[Trial],
    ) -> np.ndarray:
        """Return what CBO may choose among: rows of the whole space and around the best trials, free and new."""
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
        """Return rows as CBO takes them."""
        return [dict(zip(self._names, row, strict=True)) for row in self.cube.features(vectors).tolist()]

    def _cbo(self, number: int, drawn: np.ndarray) -> Any:
        """Return a fresh CBO that chooses among the drawn rows."""
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
                "scheduler": {"type": "constant"},  # ours: a fresh CBO does not know how far the search is
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
    """Return the value after a part (0 to 1) of its exponential decay."""
    return start if start <= end else start * math.exp(part * math.log(end / start))
