"""Asynchronous Hyperband (Li et al., JMLR 2018): several brackets of successive halving."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.asha import AshaStopper
from dh_project.hps.stoppers.rungs import Ladder

GOLDEN = 0.6180339887498949
"""Multiples of this number, modulo 1, spread evenly over the interval from 0 to 1."""


class HyperbandStopper(AshaStopper):
    """Divides the trials among brackets, whose first rungs are at later and later steps.

    The first rung of bracket b is at step ``first_step * eta**b``. So the search also finds points that are slow at
    the beginning. In each bracket, trials are parked and promoted as by :class:`AshaStopper`. Each bracket has the
    share of the trials that Hyperband gives it, which its number and the id of a trial decide. With the searcher
    ``ambs``, this is BOHB.

    Args:
        eta: Inverse of the share of trials that are promoted.
        first_step: Step of the first rung of the first bracket.
        last_step: There are no rungs from this step on; None makes rungs as long as trials reach them.
        brackets: Number of brackets; with ``last_step``, at most as many as have a rung.
        share: Share of the steps of an unstopped search, after which the search has trained enough.

    Raises:
        UserError: A value is out of range.

    Example:
        >>> stopper = HyperbandStopper(eta=3, brackets=2)
        >>> [stopper.bracket(trial) for trial in range(8)]
        [0, 1, 0, 1, 0, 0, 1, 0]
    """

    name = "hyperband"

    def __init__(
        self,
        eta: int = 3,
        first_step: int = 1,
        last_step: int | None = None,
        brackets: int = 3,
        share: float = 0.35,
    ) -> None:
        super().__init__(eta, first_step, last_step, share=share)
        if brackets < 1:
            raise UserError(f"brackets={brackets}: give at least 1")
        starts = [first_step * eta**bracket for bracket in range(brackets)]
        self._ladders = [
            Ladder(eta, start, last_step) for start in starts if last_step is None or start < last_step
        ] or [Ladder(eta, first_step, last_step)]
        self._ends = list(accumulate(_shares(len(self._ladders), eta)))

    def bracket(self, trial: int) -> int:
        """Return the number of a trial's bracket, from 0."""
        return min(bisect_right(self._ends, trial * GOLDEN % 1), len(self._ends) - 1)

    def _ladder(self, trial: int) -> Ladder:
        return self._ladders[self.bracket(trial)]


def _shares(brackets: int, eta: int) -> list[float]:
    """Return the shares of the brackets: with s halvings to come, Hyperband has eta**s / (s + 1) trials."""
    sizes = [eta**halvings / (halvings + 1) for halvings in reversed(range(brackets))]
    return [size / sum(sizes) for size in sizes]
