"""The contract of a searcher, and the part of it that all searchers share.

A searcher knows points and objectives, nothing of machines. What it promises, and what
:class:`dh_project.testing.searcher.SearcherContract` tests:

* **It is a pure function.** The proposals depend on the problem, the seed, ``number``, ``count``, ``ended`` and
  ``pending``, on nothing else: no state is carried from call to call, no clock is read, no global random state
  is used. So a search that was resumed proposes what the uninterrupted one would have, given the same knowledge.
* **What it may read** is, of an ended trial, ``id``, ``point``, ``state``, ``objective`` and ``reports``, and of a
  pending one ``id`` and ``point``: its other attributes may change meanwhile. Trials and the sequences that hold
  them are the search's: a searcher changes none of them, nor the problem, whose space and starting points are
  fixed once the searcher is made.
* **It is called from a thread** other than the one that runs the search, by one caller at a time.
* **Ended trials** come in the order of their ends. Those without an objective (failed, timed out, …) are among
  them, perhaps before any success or with none at all. Ids are unique; negative ones belong to trials of an
  earlier search (a warm start), whose points lie in the space though another searcher chose them.
* **Pending trials** have no objective yet: they run, wait to go on, or were proposed and not yet started.
* **Exactly count points** come back, each in the space, in plain types, without inactive hyperparameters.
* **No point is near** a pending one or another of the same call (:data:`TOO_NEAR`), as far as the space has room.

A subclass implements :meth:`Searcher.candidates` alone and need not look at the pending trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np

from dh_project.problem import HpProblem
from dh_project.search.searchers.cube import Cube, distances
from dh_project.trial.trial import Point, Trial

TOO_NEAR = 0.01
"""Points whose choices agree and whose numbers differ by less than this share of their range are near."""

TRIES = 3
"""Rounds of random candidates, each with seeds of its own, before a neighbour of one is taken."""

NEIGHBOURS = 1000
"""Random points among which that neighbour is found."""


class Searcher(ABC):
    """Proposes points; see the module for what it promises.

    Args:
        problem: The space to search.
        seed: Equal seeds give equal proposals.

    Attributes:
        name: The word that the command line and the journal use.
        learns: Whether proposals depend on results; if so, they are made ahead of time and anew as results come.
        cube: The problem's points as rows of numbers.
    """

    name: str
    learns: bool = True

    def __init__(self, problem: HpProblem, seed: int) -> None:
        self.problem = problem
        self.seed = seed
        self.cube = Cube(problem)

    def propose(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> list[Point]:
        """Return the proposals ``number`` to ``number + count - 1``, given what is known.

        Args:
            number: Proposals before these, from 0 (starting points are not proposals).
            count: How many are wanted, at least 1.
            ended: Finished trials, those without an objective among them, in the order of their ends.
            pending: Trials whose objective is still to come.

        Returns:
            ``count`` points that are near neither to a pending one nor to one another. Where the candidates do
            not suffice, the free points nearest to the best of them; where the space holds none that is free,
            the farthest from all others.
        """
        taken = self.cube.vectors([trial.point for trial in pending])
        chosen: list[Point] = []
        wanted: np.ndarray | None = None
        for point in self.candidates(number, count, ended, pending):
            vector = self.cube.vectors([point])
            wanted = vector if wanted is None else wanted
            if np.abs(taken - vector).max(axis=1).min(initial=np.inf) >= TOO_NEAR:
                chosen.append(point)
                taken = np.concatenate([taken, vector])
                if len(chosen) == count:
                    return chosen
        return chosen + self._free(number, count - len(chosen), wanted, taken)

    def _free(self, number: int, count: int, wanted: np.ndarray | None, taken: np.ndarray) -> list[Point]:
        """Return random points that are near to none taken (rows), the nearest to the wanted row first."""
        others = self.cube.sample(NEIGHBOURS, self.seed_of(number, TRIES))
        rank = distances(others, others[:1] if wanted is None else wanted)
        room = distances(others, taken)
        chosen = []
        for _ in range(count):
            free = room >= TOO_NEAR
            best = int(np.where(free, rank, np.inf).argmin() if free.any() else room.argmax())
            chosen.append(self.cube.point(others[best]))
            room = np.minimum(room, np.abs(others - others[best]).max(axis=1))
        return chosen

    @abstractmethod
    def candidates(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterable[Point]:
        """Return or yield points for ``count`` proposals, the best first, rather more than ``count``.

        Those near to a pending trial or to an earlier candidate are left out by :meth:`propose`.
        """

    def seed_of(self, number: int, attempt: int) -> int:
        """Return the seed, below 2**31, of one attempt at one proposal."""
        return int(np.random.SeedSequence([self.seed, number, attempt]).generate_state(1)[0] >> 1)
