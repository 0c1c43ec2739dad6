"""The interface of a stopper. ``dh_project.testing.stopper.StopperContract`` tests an implementation.

A stopper receives the reports of trials and decides whether each trial continues. It must not change the trials,
which belong to the search loop.

- **Input**: every report of the search once, in the order of the journal, as the last item of ``trial.reports``. A
  continued search first passes the reports of its earlier sessions. Decisions may depend only on the reports, so that
  the same reports give the same decisions.
- **Steps** may differ between trials and need not begin at 1. An interrupted trial may report a step again; the last
  value counts.
- **A negative decision** is returned to the trial at its next report of a later step. The trial then saves its state,
  returns its objective, and ends as ``stopped``. It may also end before it receives the decision. The first negative
  decision holds for all attempts of the trial.
- **The best trial** continues if it still improves.
- **Objectives** are maximised. They may be negative, such as minus an error.
- **Cost**: the stopper is called for each report, perhaps of a thousand workers. The time of a call must not grow
  with the number of trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dh_project.trial.trial import Trial


class Stopper(ABC):
    """Base class of stoppers. The module's docstring states the contract.

    Attributes:
        name: Name of the stopper for ``--stopper``.

    Example:
        >>> class Threshold(Stopper):
        ...     name = "threshold"
        ...     def goes_on(self, trial):
        ...         return trial.reports[-1][1] > -10.0
        >>> Threshold().goes_on(Trial(0, {}, "random", reports=[(1, -12.5)]))
        False
    """

    name: str

    @abstractmethod
    def goes_on(self, trial: Trial) -> bool:
        """Receive a trial's latest report and return whether the trial continues."""


class Curves:
    """Running means and best values of the reports of each trial."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int, float, float]] = {}  # by trial: last step, count, sum, best

    def add(self, trial: Trial) -> tuple[float, float]:
        """Receive a trial's latest report; return the mean and the best of its objectives up to that step."""
        step, value = trial.reports[-1]
        last, count, total, best = self._known.get(trial.id, (-1, 0, 0.0, value))
        if count and step <= last:  # reported again: the last value of each step counts
            values = [value for at, value in dict(trial.reports).items() if at <= step]
            count, total, best = len(values), sum(values), max(values)
        else:
            count, total, best = count + 1, total + value, max(best, value)
        self._known[trial.id] = (step, count, total, best)
        return total / count, best
