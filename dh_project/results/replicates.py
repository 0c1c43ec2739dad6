"""Replicates: the trials of one point, which differ in their seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dh_project.trial.trial import Trial

FEWEST = 2
"""Fewest objectives that have a standard error."""


def standard_error(objectives: Sequence[float]) -> float | None:
    """Return the standard error of the mean; None for fewer than two objectives.

    >>> standard_error([1.0, 3.0])
    1.0
    """
    if len(objectives) < FEWEST:
        return None
    return statistics.stdev(objectives) / math.sqrt(len(objectives))


@dataclass
class Replicates:
    """The trials of one point.

    Attributes:
        trials: The trials, the first one first.
    """

    trials: list[Trial] = field(default_factory=list)

    @property
    def objectives(self) -> list[float]:
        """The objectives of the trials that have ended with one."""
        return [trial.objective for trial in self.trials if trial.objective is not None]

    @property
    def ended(self) -> int:
        """Number of trials that have ended."""
        return sum(trial.state.has_ended for trial in self.trials)

    @property
    def failed(self) -> int:
        """Number of trials that ended without an objective."""
        return sum(trial.state.has_ended and trial.objective is None for trial in self.trials)

    @property
    def mean(self) -> float | None:
        """Mean of the objectives; None if there is none."""
        return statistics.fmean(self.objectives) if self.objectives else None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None for fewer than two objectives."""
        return standard_error(self.objectives)

    def in_words(self) -> str:
        """Return the mean with its standard error, if there is one.

        >>> Replicates([Trial(0, {}, "", objective=1.0), Trial(1, {}, "", objective=3.0)]).in_words()
        '2 +- 1'
        """
        error = "" if self.standard_error is None else f" +- {self.standard_error:.2g}"
        return f"{self.mean:.6g}{error}"


IGNORED = (
    "all trials of a point have the same objective: the run function ignores the seed; let it take an argument seed, "
    "or use dh.trial_seed()"
)


def ignore_seeds(points: Iterable[Replicates]) -> bool:
    """Return whether the objectives of no point differ, although at least one point has several."""
    several = [each.objectives for each in points if len(each.objectives) >= FEWEST]
    return bool(several) and all(len(set(objectives)) == 1 for objectives in several)


def replicates_of(trials: Iterable[Trial]) -> dict[int, Replicates]:
    """Return the replicates of each point, by the id of the point's first trial, in the order of these ids."""
    found: dict[int, Replicates] = {}
    for trial in sorted(trials, key=lambda trial: trial.id):
        found.setdefault(trial.first_replicate, Replicates()).trials.append(trial)
    return found


def best_of(points: Iterable[Replicates]) -> Trial | None:
    """Return the first trial with an objective of the best point; None if no trial has an objective.

    The best point has the largest mean. Points with fewer ended trials than others come after these, because a few
    trials may have been lucky.
    """
    points = [each for each in points if each.mean is not None]
    if not points:
        return None
    most = max(each.ended for each in points)
    best = max(points, key=lambda each: (each.ended == most, each.mean))
    return next(trial for trial in best.trials if trial.objective is not None)


def one_for_each_point(ended: Sequence[Trial]) -> list[Trial]:
    """Return one trial for each point, with the mean of the objectives as its objective.

    A searcher that is told them learns from means and does not take replicates for points of their own.

    Args:
        ended: Ended trials, in the order of their ends.
    """
    points: dict[int, list[Trial]] = {}
    for trial in ended:
        points.setdefault(trial.first_replicate, []).append(trial)
    return [_as_one(trials) for trials in points.values()]


def _as_one(trials: list[Trial]) -> Trial:
    one = next((trial for trial in trials if trial.objective is not None), trials[0])
    return one if len(trials) == 1 else replace(one, objective=Replicates(trials).mean)
