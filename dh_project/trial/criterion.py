"""A condition on a trial's step, objective or recorded facts that ends the trial when it is met."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

COMPARE = {">=": operator.ge, "<=": operator.le}


class Criterion(NamedTuple):
    """A condition that ends a trial.

    Attributes:
        name: ``step``, ``objective``, or the name of a recorded fact.
        sense: Whether the value is reached from below (``>=``) or from above (``<=``).
        value: The value.

    Example:
        >>> Criterion("val_mae", "<=", 0.1).is_met({"val_mae": 0.09})
        True
        >>> str(Criterion("step", ">=", 30))
        'step >= 30'
    """

    name: str
    sense: Literal[">=", "<="]
    value: float

    def is_met(self, known: Mapping[str, Any]) -> bool:
        """Return whether the criterion is met.

        Args:
            known: Step, objective and facts by name. A fact that is not recorded yet, or is no number, meets nothing.
        """
        value = known.get(self.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return bool(COMPARE[self.sense](value, self.value))

    def __str__(self) -> str:
        """Return the condition as a formula."""
        return f"{self.name} {self.sense} {self.value:g}"
