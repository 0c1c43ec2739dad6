"""The contract of a stopper; ``dh_project.testing.stopper.StopperContract`` holds one to it.

A stopper sees what trials report and says whether each goes on. It knows reports, nothing of machines or of how
points were found, and it changes nothing: the trials that it is given are the loop's.

- It is shown every report of the search once, in the order of the journal, each as the last of
  ``trial.reports``. A session that goes on shows those of earlier sessions first. So a stopper may keep what it has
  seen, and nothing else: with the same reports it says the same.
- Steps need not be equal among trials, nor begin at 1. A trial that was interrupted may report a step again; the
  last value counts.
- Where it says no, the trial's next report of a later step is answered so; the trial saves what it has, returns its
  objective, and ends as ``stopped``. It may as well have ended before the answer reached it. The first no stands,
  for the attempts that follow too.
- A trial that no other one beats, and that still improves, goes on.
- Objectives are maximised, and may be negative, as errors are.
- It is asked once for each report of each of perhaps a thousand workers: what it does may not grow with the number
  of trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dh_project.trial.trial import Trial


class Stopper(ABC):
    """Says which running trials go on; see the module for what it promises.

    Attributes:
        name: What ``--stopper`` calls it.
    """

    name: str

    @abstractmethod
    def goes_on(self, trial: Trial) -> bool:
        """Take a trial's latest report, and say whether the trial goes on."""


class Curves:
    """What each trial reported so far, summed up as its reports come."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int, float, float]] = {}  # by trial: last step, count, sum, best

    def add(self, trial: Trial) -> tuple[float, float]:
        """Take a trial's latest report; return the mean and the best of what it reported up to that step."""
        step, value = trial.reports[-1]
        last, count, total, best = self._known.get(trial.id, (-1, 0, 0.0, value))
        if count and step <= last:  # reported again: the last value of each step counts
            values = [value for at, value in dict(trial.reports).items() if at <= step]
            count, total, best = len(values), sum(values), max(values)
        else:
            count, total, best = count + 1, total + value, max(best, value)
        self._known[trial.id] = (step, count, total, best)
        return total / count, best
