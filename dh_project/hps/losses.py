"""Attempts that lost their worker: how many in a row, and how long their slots rest."""

from __future__ import annotations

from collections.abc import Callable

FIRST_REST, LONGEST_REST = 1.0, 5.0
"""Seconds that a slot rests after the loss of its worker, which double while nothing but losses is heard."""

MOST_LOSSES = 10
"""The search ends if more attempts in a row lose their worker than this number plus the number of workers."""


class Losses:
    """Counts losses in a row, and lets the slot of each rest.

    Without a rest, a lack of processes or memory that lasts a second would use up all retries.

    Args:
        num_workers: Number of workers.
        clock: Returns monotonic seconds.

    Attributes:
        in_a_row: Attempts that lost their worker since the last other event.

    Example:
        >>> losses = Losses(num_workers=2, clock=lambda: 0.0)
        >>> losses.add(), losses.resting()
        (None, 1)
        >>> losses.clear(), losses.resting()
        (None, 0)
    """

    def __init__(self, num_workers: int, clock: Callable[[], float]) -> None:
        self._num_workers, self._clock = num_workers, clock
        self.in_a_row = 0
        self._rests: list[float] = []  # times until which slots rest

    def add(self) -> None:
        """Count a loss."""
        rounds = self.in_a_row // max(1, self._num_workers)
        self.in_a_row += 1
        self._rests.append(self._clock() + min(LONGEST_REST, FIRST_REST * 2**rounds))

    def clear(self) -> None:
        """Note that a worker was heard, so that no slot rests any more."""
        self.in_a_row = 0
        self._rests.clear()

    def resting(self) -> int:
        """Return how many slots rest."""
        return sum(until > self._clock() for until in self._rests)

    def are_too_many(self) -> bool:
        """Return whether the search should end."""
        return self.in_a_row > MOST_LOSSES + self._num_workers
