"""The interface of a searcher, and the part of its contract that all searchers share.

:class:`dh_project.testing.searcher.SearcherContract` tests an implementation:

* **Pure function**: proposals depend only on the problem, the seed, ``number``, ``count``, ``ended`` and ``pending``.
  A searcher keeps no state between calls, reads no clock, and uses no global random state. So a resumed search
  proposes the same points as an uninterrupted one, given the same results.
* **Read access**: a searcher may read ``id``, ``point``, ``state``, ``objective``, ``reports`` and ``parked_at`` of
  an ended trial, and ``id`` and ``point`` of a pending one. Other attributes of pending trials may change during the
  call. A searcher must not change trials, their sequences, or the problem. The problem does not change after the
  searcher is created.
* **Threads**: the search calls it from another thread than its own, one call at a time.
* **Ended trials** are in the order of their ends. Some have no objective (failed, timed out, ...), perhaps all. Ids
  are unique. Negative ids belong to trials of another search (a warm start), whose points lie in the space.
* **Parked trials** stand at the end of ``ended``. Their objective is that of the step ``parked_at``, which is not
  final: compare it with what others had reported at this step (``reports``), or leave it out.
* **Pending trials** have no objective yet: they are running, interrupted, or not yet started.
* **Result**: exactly ``count`` points of the space, with plain types and without inactive hyperparameters.
* **Distance**: no point is near a pending one or another one of the same call (:data:`TOO_NEAR`), if the space has
  room.

A subclass only implements :meth:`Searcher.candidates`. It need not look at the pending trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np

from dh_project.hps.searchers.cube import Cube, distances
from dh_project.hps.searchers.told import UNFINISHED
from dh_project.problem import HpProblem
from dh_project.trial.trial import Point, Trial

TOO_NEAR = 0.01
"""Two points are near if their choices are equal and their numbers differ by less than this share of the range."""

TRIES = 3
"""Number of rounds of random candidates before :meth:`Searcher.propose` takes a free point near the best one."""

NEIGHBOURS = 1000
"""Number of random points from which that point is chosen."""


class Searcher(ABC):
    """Base class of searchers. The module's docstring states the contract.

    Args:
        problem: The space to search.
        seed: Equal seeds give equal proposals.

    Attributes:
        name: Name of the searcher on the command line and in the journal.
        learns: Whether proposals depend on results. If so, proposals in stock are replaced as results arrive.
        cube: Converts points to rows of numbers.

    Example:
        >>> class Corner(Searcher):
        ...     name = "corner"
        ...     def candidates(self, number, count, ended, pending):
        ...         return [{"x": 0.0}]
        >>> problem = HpProblem()
        >>> _ = problem.add_dim("x", (0.0, 1.0))
        >>> Corner(problem, seed=1).propose(0, 1, ended=[], pending=[])
        [{'x': 0.0}]
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
        """Return the proposals ``number`` to ``number + count - 1``.

        Args:
            number: Number of earlier proposals. Starting points are not proposals.
            count: Number of proposals, at least 1.
            ended: Ended trials, also those without an objective, in the order of their ends.
            pending: Trials without an objective yet.

        Returns:
            ``count`` points that are not near a pending one or each other. If there are too few candidates, the free
            points nearest to the best candidate. If the space has no free point, those farthest from all others.
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
        """Return random points that are not near any taken row, those nearest to the wanted row first."""
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

    def recommended(self, ended: Sequence[Trial]) -> Trial | None:
        """Return the trial that the searcher recommends: the one with the largest objective.

        A searcher with a model may choose another one, if objectives are noisy.

        Args:
            ended: Ended and parked trials.

        Returns:
            The trial; None if no trial has an objective. A trial that a stopper parked or stopped is returned only if
            no other trial has an objective.
        """
        good = [trial for trial in ended if trial.objective is not None]
        finished = [trial for trial in good if trial.state not in UNFINISHED]
        return max(finished or good, key=lambda trial: trial.objective or 0.0, default=None)

    @abstractmethod
    def candidates(
        self, number: int, count: int, ended: Sequence[Trial], pending: Sequence[Trial]
    ) -> Iterable[Point]:
        """Return or yield points for ``count`` proposals, the best first. There may be more than ``count``.

        :meth:`propose` leaves out points that are near a pending trial or an earlier candidate.
        """

    def seed_of(self, number: int, attempt: int) -> int:
        """Return the seed, below 2**31, for one attempt to make one proposal."""
        return int(np.random.SeedSequence([self.seed, number, attempt]).generate_state(1)[0] >> 1)
