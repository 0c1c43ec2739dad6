"""Stop criteria as data: what ends a trial (``--stop``), and what ends the whole search.

An epoch is a step that a trial reports. A step that another attempt reports again is another epoch, because it was
trained again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dh_project.common.errors import UserError
from dh_project.results.ending import Ending
from dh_project.trial.criterion import Criterion

if TYPE_CHECKING:
    from dh_project.hps.settings import SearchSettings
    from dh_project.results.history import History

STEP_WORDS = ("step", "epoch", "training_iteration")
"""Names of the step. The last one is Ray Tune's."""

FALLING = {
    *(
        "deviance",
        "err",
        "error",
        "logloss",
        "loss",
        "mae",
        "mape",
        "mse",
        "msle",
        "nll",
        "perplexity",
        "ppl",
    ),
    *("regret", "residual", "rmse", "rmsle", "smape"),
}
RISING = {
    *("acc", "accuracy", "auc", "auroc", "bleu", "dice", "f1", "iou", "map", "precision", "r2", "recall"),
    *("return", "reward", "score", "spearman"),
}
"""Words in the names of facts that are minimised, or maximised."""

FORM = "give NAME=VALUE, as in step=30 val_mae=0.1"


def parse_criteria(words: Sequence[str]) -> dict[str, float]:
    """Parse the words of ``--stop``.

    Args:
        words: ``NAME=VALUE``, ``NAME<=VALUE`` or ``NAME>=VALUE``.

    Returns:
        The values by name. If a sense is given, it is the end of the name.

    Raises:
        UserError: A word is not of this form, or a name is given twice.

    Example:
        >>> parse_criteria(["training_iteration=30", "my_metric<=0.1"])
        {'training_iteration': 30.0, 'my_metric<=': 0.1}
    """
    found: dict[str, float] = {}
    for word in words:
        match = re.fullmatch(r"\s*([^<>=]+?)\s*([<>]?=)\s*([^<>=]+)", word)
        try:
            name, sense, value = match.groups() if match else ("", "", "")
            number = float(value)
        except ValueError:
            raise UserError(f"--stop {word!r} is not a criterion; {FORM}") from None
        key = name + sense.removesuffix("=") + "=" if sense != "=" else name
        if key in found:
            raise UserError(f"--stop {key!r} is given twice; give it once")
        found[key] = number
    return found


def criterion_of(name: str, value: float) -> Criterion:
    """Return a criterion that ends a trial.

    Args:
        name: ``step``, ``objective`` or the name of a recorded fact. If it does not tell whether the fact is
            minimised, it ends with ``<=`` or ``>=``.
        value: The value to reach.

    Raises:
        UserError: The direction of the fact is unknown.

    Example:
        >>> str(criterion_of("val_mae", 0.1)), str(criterion_of("training_iteration", 30))
        ('val_mae <= 0.1', 'step >= 30')
    """
    bare, sense = (name[:-2].rstrip(), name[-2:]) if name.endswith(("<=", ">=")) else (name, None)
    fact = "step" if bare in STEP_WORDS else bare
    if fact in ("step", "objective"):
        if sense == "<=":
            what = "steps rise" if fact == "step" else "the objective is maximised"
            raise UserError(f"--stop {name}{value:g}: {what}; give {bare}={value:g}")
        return Criterion(fact, ">=", value)
    return Criterion(fact, _sense(fact, value) if sense is None else "<=" if sense == "<=" else ">=", value)


def _sense(fact: str, value: float) -> Literal[">=", "<="]:
    words = set(re.split(r"[\W_]+", fact.lower()))
    falls, rises = bool(words & FALLING), bool(words & RISING)
    if falls == rises:
        raise UserError(
            f"--stop {fact}={value:g}: the name does not tell whether {fact} is minimised or maximised; give "
            f"'{fact}<={value:g}' or '{fact}>={value:g}'"
        )
    return "<=" if falls else ">="


@dataclass(frozen=True)
class Criteria:
    """What ends a trial or a search, from reports, facts and objectives. None means no criterion.

    Attributes:
        stop: Criteria that end a trial.
        target: Objective that ends the search when a trial has reached it.
        patience_epochs: Epochs of all trials without a better objective after which the search ends.
        max_epochs_total: Epochs of all trials, over all sessions, after which the search ends.

    Example:
        >>> Criteria(target=-0.1).of_trials
        [Criterion(name='objective', sense='>=', value=-0.1)]
    """

    stop: tuple[Criterion, ...] = ()
    target: float | None = None
    patience_epochs: int | None = None
    max_epochs_total: int | None = None

    @classmethod
    def of(cls, settings: SearchSettings) -> Criteria:
        """Return the criteria of a search with these settings."""
        return cls(
            criteria_of(settings.stop),
            settings.target,
            settings.patience_epochs,
            settings.max_epochs_total,
        )

    @property
    def of_trials(self) -> list[Criterion]:
        """The criteria that end a trial. One that reaches the target of the search returns its objective at once."""
        target = [] if self.target is None else [Criterion("objective", ">=", self.target)]
        return [*self.stop, *target]

    def ending(self, history: History) -> Ending | None:
        """Return why the search ends now; None if no criterion is met."""
        if self.target is not None and history.returned is not None and history.returned[0] >= self.target:
            objective, trial = history.returned
            return Ending(
                "target",
                f"trial {trial} has reached the target {self.target:g}: its objective is {objective:.6g}",
            )
        spent, most, patience = history.epochs, self.max_epochs_total, self.patience_epochs
        if most is not None and spent >= most:
            return Ending("epochs", f"the budget of {most:,} epochs is spent")
        if patience is not None and spent - history.improved_at >= patience:
            return Ending(
                "patience", f"no objective was better in the last {patience:,} epochs of all trials"
            )
        return None


def criteria_of(stop: Mapping[str, float]) -> tuple[Criterion, ...]:
    """Return the criteria that ``SearchSettings.stop`` describes."""
    return tuple(criterion_of(name, value) for name, value in stop.items())


LARGER = {
    "timeout": "--timeout",
    "target": "--target",
    "epochs": "--max-epochs-total",
    "patience": "--patience-epochs",
}
"""Options that continue a search if they are larger, by the kind of ending."""
