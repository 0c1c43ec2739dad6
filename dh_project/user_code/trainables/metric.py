"""Which of a model's metrics is the objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dh_project.common.errors import UserError, did_you_mean

SIGNS = {"max": 1.0, "min": -1.0}


@dataclass(frozen=True)
class Metric:
    """A metric by name, and whether it shall be large or small.

    Attributes:
        name: As the model calls it.
        mode: ``max`` or ``min``.
    """

    name: str
    mode: str

    @classmethod
    def checked(cls, name: Any, mode: Any, default: Metric) -> Metric:
        """Return the metric of the arguments ``metric`` and ``mode``, each of which may be None.

        Raises:
            UserError: The mode is no mode, or it is not said which one a metric of the user's has.
        """
        if name is not None and not isinstance(name, str):
            raise UserError(f"metric={name!r}: give the name of a metric")
        if mode is None:
            if name not in (None, default.name):
                raise UserError(
                    f"metric={name}: say with mode=max or mode=min whether it shall be large or small"
                )
            mode = default.mode
        if mode not in SIGNS:
            raise UserError(f"mode={mode!r}{did_you_mean(str(mode), SIGNS)}; valid: max, min")
        return cls(name or default.name, mode)

    def objective(self, metrics: Mapping[str, Any], of: str) -> float:
        """Return the objective, which is maximised: the metric, or minus it.

        Args:
            metrics: By name.
            of: What they are the metrics of, for the error.

        Raises:
            UserError: It is not among them, or no number.
        """
        if self.name not in metrics:
            known = ", ".join(map(str, metrics)) or "none"
            raise UserError(
                f"{of} has no metric {self.name!r}{did_you_mean(self.name, map(str, metrics))}; it has: {known}; "
                f"name one with metric=NAME and mode=max or mode=min"
            )
        value = metrics[self.name]
        try:
            return SIGNS[self.mode] * float(value)
        except (TypeError, ValueError):
            raise UserError(f"{of}: its {self.name!r} is a {type(value).__name__} and no number") from None
