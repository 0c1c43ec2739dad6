"""Asynchronous successive halving (Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020)."""

from __future__ import annotations

from dh_project.common.errors import UserError
from dh_project.hps.stoppers.base import Curves, Move, Stopper
from dh_project.hps.stoppers.rungs import Ladder, Promotion
from dh_project.trial.trial import State, Trial


class AshaStopper(Stopper):
    """Parks each trial at rungs, and promotes the best ones.

    A new trial parks at the first rung. A free worker resumes the best parked trial of the highest rung in which
    it is one of the best 1/eta. If there is none, the worker starts a new trial. Trials are ranked by their best
    objective up to the rung.

    If the search allows no new trial and the rule promotes none, the worker resumes the best parked trial of the
    highest rung. This goes on until one trial has run to its end, and the search has trained for a share of the
    steps that its trials would take without the stopper.

    Args:
        eta: Inverse of the share of trials that are promoted.
        first_step: Step of the first rung. The others are at ``eta * first_step``, ``eta**2 * first_step``, ...
        last_step: There are no rungs from this step on; None makes rungs as long as trials reach them.
        stop: Whether to stop trials for good that are not among the best 1/eta of those at the rung so far. None is
            parked.
        share: Share of the steps of an unstopped search, after which the search has trained enough.

    Raises:
        UserError: A value is out of range.

    Example:
        >>> stopper = AshaStopper(eta=2)
        >>> stopper.next_move(room=True).until
        1
    """

    name = "asha"

    def __init__(
        self,
        eta: int = 2,
        first_step: int = 1,
        last_step: int | None = None,
        stop: bool = False,
        share: float = 0.35,
    ) -> None:
        check_rungs(eta, first_step, last_step, share)
        self.eta, self.first_step, self.last_step, self.share = eta, first_step, last_step, share
        self.parks = not stop
        self._curves, self._training = Curves(), Training()
        self._ladders = [Ladder(eta, first_step, last_step)]

    def goes_on(self, trial: Trial) -> bool:
        """Return whether the trial continues. If trials are parked, none is stopped."""
        step, ladder = trial.reports[-1][0], self._ladder(trial.id)
        self._training.report(trial.id, step)
        rung = ladder.add(trial.id, step, self._curves.add(trial)[1])
        return self.parks or rung is None or ladder.is_good(trial.id, rung)

    def started(self, trial: Trial) -> None:
        """Receive a trial whose attempt has started."""
        self._ladder(trial.id).resume(trial.id)
        self._training.start(trial.id, trial.until)

    def ended(self, trial: Trial) -> None:
        """Receive a trial that was parked, or that has ended for good."""
        self._training.end(trial.id, is_whole=trial.state is State.DONE)
        ladder = self._ladder(trial.id)
        if trial.state is State.PARKED:
            ladder.park(trial.id)
        elif not trial.state.has_objective:
            ladder.remove(trial.id)

    def next_move(self, room: bool) -> Move | None:
        """Return the promotion by the rule, else a new trial, else a further promotion until it is enough."""
        if not self.parks:
            return super().next_move(room)
        promotions = [found for ladder in self._ladders if (found := ladder.promotion())]
        if not promotions and room:
            return Move(until=self._ladder(self._training.trials).step(0))
        if not promotions and not self._is_enough():
            promotions = [found for ladder in self._ladders if (found := ladder.further_promotion())]
        if not promotions:
            return None
        best = min(promotions, key=_urgency)
        return Move(trial=best.rank[1], until=best.until)

    def why_enough(self) -> str:
        """Return how much of an unstopped search was trained."""
        done, whole = self._training.steps, self._training.unstopped
        share = f"share={self.share:g}"
        return f"{self.name} trained for {done:,} of the {whole:,} steps of an unstopped search ({share})"

    def _ladder(self, trial: int) -> Ladder:
        """Return the ladder of a trial."""
        return self._ladders[0]

    def _is_enough(self) -> bool:
        training = self._training
        has_whole = training.has_whole or bool(training.running)  # which may run to its end
        return has_whole and training.steps >= self.share * training.unstopped


class Training:
    """Counts the steps of a search.

    Repeated steps of interrupted trials do not count, so that interruptions do not change the decisions.

    Attributes:
        trials: Number of trials.
        steps: Steps that the trials have reached, and that the running trials will reach.
        running: Ids of the running trials.
        has_whole: Whether a trial has run to its end.
    """

    def __init__(self) -> None:
        self.trials = self.steps = 0
        self.running: set[int] = set()
        self.has_whole = False
        self._longest = 0
        self._counted: dict[int, int] = {}  # by trial
        self._reached: dict[int, int] = {}  # by trial

    @property
    def unstopped(self) -> int:
        """Steps of the search if all trials ran as long as the longest one."""
        return self.trials * self._longest

    def start(self, trial: int, until: int | None) -> None:
        """Receive a trial that runs until a step; None for its end."""
        if trial not in self._counted:
            self.trials = max(self.trials, trial + 1)
        self.running.add(trial)
        self._count(trial, max(self._reached.get(trial, 0), until or self._longest))

    def report(self, trial: int, step: int) -> None:
        """Receive a step that a trial has reached."""
        self._reached[trial] = max(step, self._reached.get(trial, 0))
        self._longest = max(self._longest, step)
        if step > self._counted.get(trial, 0):
            self._count(trial, step)

    def end(self, trial: int, is_whole: bool) -> None:
        """Receive a trial that was parked or has ended; it has trained as far as it has reported."""
        self.running.discard(trial)
        self._count(trial, self._reached.get(trial, 0))
        self.has_whole = self.has_whole or is_whole

    def _count(self, trial: int, steps: int) -> None:
        self.steps += steps - self._counted.get(trial, 0)
        self._counted[trial] = steps


def check_rungs(eta: int, first_step: int, last_step: int | None, share: float) -> None:
    """Check the settings of rungs.

    Raises:
        UserError: A value is out of range.
    """
    if eta < 2:
        raise UserError(f"eta={eta}: give at least 2")
    if first_step < 1 or (last_step is not None and last_step < first_step):
        raise UserError("first_step is at least 1, and last_step is not below it")
    if not 0 <= share <= 1:
        raise UserError(f"share={share}: give a number from 0 to 1")


def _urgency(promotion: Promotion) -> tuple[int, float, int]:
    return (-promotion.step, *promotion.rank)
