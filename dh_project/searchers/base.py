"""The contract of a searcher.

A searcher knows points and objectives, nothing of machines. It keeps no state: a proposal is a function of the
problem, the seed, its number and the trials given, so a search that was resumed proposes what the uninterrupted
one would have. A proposal keeps away from the pending points (those that run now), of which the searcher knows
no objective yet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from dh_project.problem import HpProblem
from dh_project.trial import Point, Trial

TOO_NEAR = 0.01
"""Points whose choices agree and whose numbers differ by less than this share of their range are near."""

TRIES = 8


class Searcher(ABC):
    """Proposes points; see the module for what it promises.

    Args:
        problem: The space to search.
        seed: Equal seeds give equal proposals.
    """

    name: str

    def __init__(self, problem: HpProblem, seed: int) -> None:
        self.problem = problem
        self.seed = seed

    def propose(self, number: int, ended: Sequence[Trial], pending: Sequence[Trial]) -> Point:
        """Return proposal ``number``, given what is known.

        Args:
            number: Count of proposals, from 0 (starting points are not proposals).
            ended: Finished trials, those without an objective among them.
            pending: Trials that run now.

        Returns:
            A point of the space, not near a pending one; where the space holds no other, the farthest tried.
        """
        tried: list[tuple[float, Point]] = []
        for attempt in range(TRIES):
            point = self.candidate(number, attempt, ended)
            distance = min((self._distance(point, trial.point) for trial in pending), default=np.inf)
            if distance >= TOO_NEAR:
                return point
            tried.append((distance, point))
        return max(tried, key=lambda candidate: candidate[0])[1]

    @abstractmethod
    def candidate(self, number: int, attempt: int, ended: Sequence[Trial]) -> Point:
        """Return a point for proposal ``number``; each ``attempt`` at it gives another where there are several."""

    def seed_of(self, number: int, attempt: int) -> int:
        """Return the seed, below 2**31, of one attempt at one proposal."""
        return int(np.random.SeedSequence([self.seed, number, attempt]).generate_state(1)[0] >> 1)

    def _distance(self, one: Point, other: Point) -> float:
        """Largest difference of a coordinate in the unit cube; a different choice counts as 1 or more."""
        difference = np.abs(self.problem.vector(one) - self.problem.vector(other))
        # Both inactive: the same. One inactive: as different as can be.
        both = np.isnan(self.problem.vector(one)) & np.isnan(self.problem.vector(other))
        return float(np.where(both, 0.0, np.nan_to_num(difference, nan=1.0)).max())
