"""The interface of a stopper. ``dh_project.testing.stopper.StopperContract`` tests an implementation.

A stopper saves the steps of trials that are unlikely to become the best. It can stop a trial for good, or park it: a
parked trial gives its worker back, and may be resumed later from its checkpoint. It must not change the trials, which
belong to the search loop.

- **What it is told**: every start and resumption (:meth:`Stopper.started`), every report (:meth:`Stopper.goes_on`)
  and every end (:meth:`Stopper.ended`) of the search once, in the order of the journal. A continued search first
  passes what its earlier sessions have recorded. Its state may depend on nothing else, so that the same journal gives
  the same decisions.
- **What it decides**: :meth:`Stopper.goes_on` says whether a trial that has reported continues or is stopped for
  good. :meth:`Stopper.next_move` says what a free worker does: start a new trial, resume a parked one, or nothing.
  It also says up to which step. At this step the trial saves a checkpoint, returns its objective, and is parked.
- **Steps** may differ between trials and need not begin at 1. An interrupted trial may report a step again; the last
  value counts. A trial that cannot resume reports all of its steps again after each resumption. A trial may report
  only some of the steps: it parks at its first report of the given step or a later one.
- **A stop** is returned to the trial at its next report of a later step. The trial then saves its state, returns its
  objective, and ends as ``stopped``. It may also end before it receives the decision. The first stop holds for all
  attempts of the trial.
- **The best trial** is never stopped while it still improves. It may be parked.
- **Objectives** are maximised. They may be negative, such as minus an error.
- **Cost**: the stopper is called for each report, perhaps of a thousand workers. The time of a call must not grow
  with the number of trials.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dh_project.trial.trial import Trial

if TYPE_CHECKING:  # slow to import, and a Tab offers the names of stoppers
    from dh_project.problem import HpProblem


@dataclass(frozen=True)
class Move:
    """What a free worker does next: start a new trial, or resume a parked one.

    Attributes:
        trial: Id of the parked trial to resume; None for a new trial.
        until: Step at which the trial parks; None lets it run to its end.
        parent: Id of the trial from whose checkpoint a new trial begins; None if it begins from nothing.
        parent_attempt: Attempt of the parent that left this checkpoint; None for its latest one.
        point: Hyperparameters of a new trial; None takes a starting point or the searcher's proposal.

    Example:
        >>> Move(until=3)  # a new trial, which parks at step 3
        Move(trial=None, until=3, parent=None, parent_attempt=None, point=None)
    """

    trial: int | None = None
    until: int | None = None
    parent: int | None = None
    parent_attempt: int | None = None
    point: Mapping[str, Any] | None = None


class Stopper(ABC):
    """Base class of stoppers. The module's docstring states the contract.

    Attributes:
        name: Name of the stopper for ``--stopper``.
        parks: Whether it parks trials, and resumes them. If not, the search resumes trials that another stopper has
            parked, and lets them run to their ends.
        makes_children: Whether new trials begin from checkpoints of others. If so, all checkpoints are kept;
            otherwise the newest one of each trial that was parked.

    Example:
        >>> class Threshold(Stopper):
        ...     name = "threshold"
        ...     def goes_on(self, trial):
        ...         return trial.reports[-1][1] > -10.0
        >>> Threshold().goes_on(Trial(0, {}, "random", reports=[(1, -12.5)]))
        False
    """

    name: str
    parks: bool = False
    makes_children: ClassVar[bool] = False

    def bind(self, problem: HpProblem, seed: int) -> None:  # noqa: B027
        """Receive the space and the seed of the search, once before the first :meth:`next_move`.

        The search may pass what its earlier sessions have recorded before this call. If the stopper draws random
        numbers, they must depend only on this seed and the journal.

        Raises:
            UserError: The settings of the stopper do not fit the space.
        """

    @abstractmethod
    def goes_on(self, trial: Trial) -> bool:
        """Receive a trial's latest report and return whether the trial continues."""

    def started(self, trial: Trial) -> None:  # noqa: B027
        """Receive a trial whose attempt has started. Its ``until`` and ``parent`` are those of the move."""

    def ended(self, trial: Trial) -> None:  # noqa: B027
        """Receive a trial that was parked, or that has ended for good."""

    def next_move(self, room: bool) -> Move | None:
        """Return what a free worker does next; None if it is to wait for the running trials.

        The search ends when no trial is running and this returns None. The call must change nothing: the move may not
        be carried out. If it is, :meth:`started` follows.

        Args:
            room: Whether the limits of the search allow another new trial.
        """
        return Move() if room else None

    def why_enough(self) -> str:
        """Return why :meth:`next_move` has nothing more to do, in a few words for the summary; empty if obvious."""
        return ""


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
