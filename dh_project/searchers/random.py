"""Random search."""

from __future__ import annotations

from collections.abc import Sequence

from dh_project.searchers.base import Searcher
from dh_project.trial import Point, Trial


class RandomSearcher(Searcher):
    """Samples the space, whatever was found."""

    name = "random"

    def candidate(self, number: int, attempt: int, ended: Sequence[Trial]) -> Point:
        """Return a random point."""
        return self.problem.sample(self.seed_of(number, attempt))
