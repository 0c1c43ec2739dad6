"""Random search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dh_project.hps.searchers.base import TRIES, Searcher
from dh_project.trial.trial import Point, Trial


class RandomSearcher(Searcher):
    """Samples the space at random, independent of results."""

    name = "random"
    learns = False

    def candidates(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterator[Point]:
        """Yield a random point for each proposal, then further ones."""
        for attempt in range(TRIES):
            for proposal in range(number, number + count):
                yield self.problem.sample(self.seed_of(proposal, attempt))
