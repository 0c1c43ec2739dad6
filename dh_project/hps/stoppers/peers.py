"""The latest values of the trials at each step, for stoppers that compare trials with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

MOST_COMPARED = 500
"""Largest number of trials that are compared at a step; the latest ones. So a report takes a constant time."""


class Peers:
    """One value of each trial at each step, of the latest 500 trials.

    Example:
        >>> peers = Peers()
        >>> peers.others(1, trial=0, value=-2.0)
        []
        >>> peers.others(1, trial=1, value=-1.0)
        [-2.0]
    """

    def __init__(self) -> None:
        self._values: defaultdict[int, dict[int, float]] = defaultdict(dict)  # by step and trial

    def others(self, step: int, trial: int, value: float) -> list[float]:
        """Record a trial's value at a step, and return the values of the other trials at that step."""
        values = self._values[step]
        values.pop(trial, None)
        others = list(values.values())
        values[trial] = value
        if len(values) > MOST_COMPARED:
            del values[next(iter(values))]
        return others


def is_due(step: int, interval: int, delay: int) -> bool:
    """Return whether HyperDrive's policies decide at a step: at each ``interval`` steps after the first ``delay``.

    >>> [step for step in range(1, 9) if is_due(step, interval=2, delay=3)]
    [5, 7]
    """
    return step > delay and (step - delay) % interval == 0


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of values, by linear interpolation between the two nearest ones.

    Args:
        values: At least one value.
        share: The percentile, from 0 to 100.

    Example:
        >>> percentile([3.0, 1.0, 2.0, 4.0], 50)
        2.5
    """
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
