"""The contract of a stopper.

A stopper sees what running trials report and says whether each goes on. It knows reports, nothing of machines or
of how points were found, and it changes nothing: the trials that it is given are the loop's. It keeps no state: its
answer is a function of the trial and of the others as the journal tells them, so that a search that was resumed
decides as the uninterrupted one would have.

- The loop asks after every report of a running trial, with that report as the last of ``trial.reports``, in the
  order in which the reports came. Steps need not be equal among trials, nor begin at 1; a trial that was
  interrupted may report a step again, and the last value counts.
- Where the answer is no, the trial's next report is answered so; it saves what it has, returns its objective, and
  ends as ``stopped``. It may as well have ended before the answer reached it.
- A report by which all trials are equal stops none. A trial that leads at each of its steps is never stopped.
- Objectives are maximised. A stopper that compares two values must decide the same for ``-x`` where smaller is
  better as for ``x`` where larger is: it never assumes that they are positive.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from dh_project.trial import Trial


class Stopper(ABC):
    """Says which running trials go on; see the module for what it promises.

    Attributes:
        name: What ``--stopper`` calls it.
    """

    name: str

    @abstractmethod
    def goes_on(self, trial: Trial, trials: Collection[Trial]) -> bool:
        """Say whether a trial that has just reported goes on.

        Args:
            trial: The trial.
            trials: All trials of the search, this one and those that have ended or not begun among them.
        """


def by_step(trial: Trial) -> dict[int, float]:
    """Return the objectives that a trial reported by step, the last of each."""
    return dict(trial.reports)


def best_until(trial: Trial, step: int) -> float | None:
    """Return the best objective that a trial reported up to a step; None where it reported none."""
    return max((value for at, value in by_step(trial).items() if at <= step), default=None)
