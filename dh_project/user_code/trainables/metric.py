"""The metric of a model that is its objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dh_project.common.errors import UserError, did_you_mean

SIGNS = {"max": 1.0, "min": -1.0}


@dataclass(frozen=True)
class Metric:
    """A metric and its direction.

    Attributes:
        name: Name of the metric.
        mode: ``max`` if it is maximised, ``min`` if it is minimised.

    Example:
        >>> Metric("loss", "min").objective({"loss": 0.5}, "step 1")
        -0.5
    """

    name: str
    mode: str

    @classmethod
    def checked(cls, name: Any, mode: Any, default: Metric) -> Metric:
        """Return the metric that the arguments ``metric`` and ``mode`` name.

        Args:
            name: Name of the metric; None: the default.
            mode: ``max`` or ``min``; None: that of the default, if the name is the default's.
            default: The default.

        Raises:
            UserError: The mode is invalid, or is missing for another metric than the default.
        """
        if name is not None and not isinstance(name, str):
            raise UserError(f"metric={name!r}: give the name of a metric")
        if mode is None:
            if name not in (None, default.name):
                raise UserError(
                    f"metric={name}: say with mode=max or mode=min whether it is maximised or minimised"
                )
            mode = default.mode
        if mode not in SIGNS:
            raise UserError(f"mode={mode!r}{did_you_mean(str(mode), SIGNS)}; valid: max, min")
        return cls(name or default.name, mode)

    def objective(self, metrics: Mapping[str, Any], of: str) -> float:
        """Return the objective, which is maximised: the metric, or minus the metric if it is minimised.

        Args:
            metrics: Metrics by name.
            of: What the metrics belong to, such as "step 3", for the message.

        Raises:
            UserError: The metric is missing, or is no number.
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
