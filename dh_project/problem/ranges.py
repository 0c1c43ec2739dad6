"""Ranges of floats with exact bounds. ConfigSpace rounds bounds to 13 decimals, which moves 6e-14 to 1e-13."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters.hp_components import UnitScaler
from ConfigSpace.read_and_write.dictionary import HYPERPARAMETER_ENCODERS

DIGITS = 13
"""Significant digits of a default that is not given."""


class UniformFloat(cs.UniformFloatHyperparameter):
    """A uniform or logarithmic range of floats, with the arguments of ConfigSpace's class.

    Raises:
        ValueError: The bounds or the default are impossible.

    Example:
        >>> UniformFloat("eps", 6e-14, 1e-8, log=True).lower
        6e-14
    """

    def __init__(
        self,
        name: str,
        lower: float,
        upper: float,
        default_value: float | None = None,
        log: bool = False,
        meta: Mapping[Hashable, Any] | None = None,
    ) -> None:
        super().__init__(name, 0.0, 1.0, meta=meta)
        scale = _scale(lower, upper, log)
        middle = float(scale.to_value(np.array([0.5]))[0])
        _stretch(self, scale, middle if default_value is None else default_value, default_value is None)


class NormalFloat(cs.NormalFloatHyperparameter):
    """A normal distribution of floats between bounds, with the arguments of ConfigSpace's class but without ``log``.

    Raises:
        ValueError: The bounds or the default are impossible.
    """

    def __init__(
        self,
        name: str,
        mu: float,
        sigma: float,
        lower: float,
        upper: float,
        default_value: float | None = None,
        log: bool = False,
        meta: Mapping[Hashable, Any] | None = None,
    ) -> None:
        if log:
            raise ValueError("a normal distribution on a logarithmic scale is not supported")
        scale = _scale(lower, upper, log)
        width = upper - lower
        super().__init__(name, (mu - lower) / width, sigma / width, 0.0, 1.0, meta=meta)
        self.mu, self.sigma = mu, sigma
        middle = min(max(mu, lower), upper)
        _stretch(self, scale, middle if default_value is None else default_value)


ENCODERS: dict[type, Any] = {
    UniformFloat: HYPERPARAMETER_ENCODERS[cs.UniformFloatHyperparameter],
    NormalFloat: HYPERPARAMETER_ENCODERS[cs.NormalFloatHyperparameter],
}
"""Encoders for ``ConfigurationSpace.to_serialized_dict``: the ranges look like ConfigSpace's own."""


def _scale(lower: float, upper: float, log: bool) -> UnitScaler[Any]:
    """Return the conversion between a range and the numbers from 0 to 1.

    Raises:
        ValueError: The bounds are impossible.
    """
    if not (math.isfinite(lower) and math.isfinite(upper) and math.isfinite(upper - lower)):
        raise ValueError(f"the range from {lower:g} to {upper:g} is not finite")
    if lower >= upper:
        raise ValueError(f"the upper bound {upper:g} is not above the lower bound {lower:g}")
    if log and lower <= 0:
        raise ValueError(f"the lower bound {lower:g} of a logarithmic range is not above 0")
    return UnitScaler(np.float64(lower), np.float64(upper), dtype=np.float64, log=log)


def _stretch(
    unit: UniformFloat | NormalFloat, scale: UnitScaler[Any], default: float, is_rounded: bool = False
) -> None:
    """Turn a hyperparameter from 0 to 1 into one of another range."""
    unit.lower, unit.upper, unit.log = float(scale.lower_value), float(scale.upper_value), scale.log
    unit._transformer = scale
    if is_rounded:
        default = min(max(float(f"{default:.{DIGITS}g}"), unit.lower), unit.upper)
    if not unit.lower <= default <= unit.upper:
        raise ValueError(f"the default {default:g} lies outside the range")
    unit.default_value = float(default)
    unit._normalized_default_value = scale.to_vector(np.array([unit.default_value]))[0]
