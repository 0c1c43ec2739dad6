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

TRIES = 3
"""Candidates that a searcher is asked for, each with a seed of its own, before a neighbour of one is taken."""

NEIGHBOURS = 300
"""Random points among which that neighbour is found."""


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
            A point of the space that is not near a pending one. Where every candidate is, the point nearest to a
            candidate that is not; where the space holds none, the farthest from the pending points.
        """
        taken = [self.problem.vector(trial.point) for trial in pending]
        for attempt in range(TRIES):
            point = self.candidate(number, attempt, ended)
            if self._distance(point, taken) >= TOO_NEAR:
                return point
        others = [self.problem.sample(self.seed_of(number, TRIES + n)) for n in range(NEIGHBOURS)]
        free = [other for other in others if self._distance(other, taken) >= TOO_NEAR]
        if free:
            wanted = [self.problem.vector(point)]
            return min(free, key=lambda other: self._distance(other, wanted))
        return max(others, key=lambda other: self._distance(other, taken))

    @abstractmethod
    def candidate(self, number: int, attempt: int, ended: Sequence[Trial]) -> Point:
        """Return a point for proposal ``number``; each ``attempt`` at it gives another where there are several."""

    def seed_of(self, number: int, attempt: int) -> int:
        """Return the seed, below 2**31, of one attempt at one proposal."""
        return int(np.random.SeedSequence([self.seed, number, attempt]).generate_state(1)[0] >> 1)

    def _distance(self, point: Point, others: Sequence[np.ndarray]) -> float:
        """Distance to the nearest of other points in the unit cube: the largest difference of a coordinate.

        A different choice counts as 1 or more; so does a hyperparameter that only one of the two has.
        """
        if not others:
            return float("inf")
        vector, table = self.problem.vector(point), np.stack(others)
        both_inactive = np.isnan(vector) & np.isnan(table)
        difference = np.where(both_inactive, 0.0, np.nan_to_num(np.abs(table - vector), nan=1.0))
        return float(difference.max(axis=1).min())
