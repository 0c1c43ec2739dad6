"""Short forms of hyperparameters: tuples, lists, dictionaries and constants."""

from __future__ import annotations

from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import Hyperparameter

from dh_project.common.errors import UserError, one_line
from dh_project.problem.ranges import NormalFloat, UniformFloat
from dh_project.problem.values import check_choices, check_integers


def hyperparameter(value: Any, name: str | None, default_value: Any = None) -> Hyperparameter:
    """Return the ConfigSpace hyperparameter of a short form.

    ============================================ ================================================
    ``(1, 100)``                                 range of integers
    ``(0.1, 1.0)``                               range of floats
    ``(1e-4, 1.0, "log-uniform")``               logarithmic range of integers or floats
    ``["a", "b"]``, ``[[64], [64, 32]]``         choice
    ``[8, 16]``                                  ordered choice
    ``{"mu", "sigma", "lower", "upper"}``        normal distribution, of integers if ``mu`` is one
    ``3``, ``"a"``                               constant
    ============================================ ================================================

    Args:
        value: The short form, or a ConfigSpace hyperparameter.
        name: Name of the hyperparameter; None if ``value`` is a ConfigSpace hyperparameter.
        default_value: The default; None for ConfigSpace's choice.

    Raises:
        UserError: The value has another form, or its bounds are impossible.

    Example:
        >>> units = hyperparameter((1, 100), "units")
        >>> type(units).__name__, units.lower, units.upper
        ('UniformIntegerHyperparameter', 1, 100)
    """
    if isinstance(value, Hyperparameter):
        return value
    if not isinstance(name, str) or not name:
        raise UserError(
            f"a hyperparameter {value!r} has no name; write add_hyperparameter({value!r}, 'name')"
        )
    value = _plain(value)
    options = {} if default_value is None else {"default_value": default_value}
    try:
        made = _from_short_form(value, name, options)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"hyperparameter {name!r}: {value!r}: {one_line(error)}") from None
    if made is None:
        raise UserError(
            f"hyperparameter {name!r}: {value!r} is not a range, choice or constant; write (1, 100), "
            f"(1e-4, 1.0, 'log-uniform') or ['relu', 'tanh']"
        )
    return made


def _plain(value: Any) -> Any:
    """Return a short form with Python numbers and lists in place of NumPy's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value


def _from_short_form(value: Any, name: str, options: dict[str, Any]) -> Hyperparameter | None:
    match value:
        case tuple((low, high)) | tuple((low, high, "uniform" | "log-uniform")):
            log = value[2:] == ("log-uniform",)
            if isinstance(low, int) and isinstance(high, int):
                check_integers(name, low, high)
                return cs.UniformIntegerHyperparameter(name, low, high, log=log, **options)
            if isinstance(low, int | float) and isinstance(high, int | float):
                return UniformFloat(name, float(low), float(high), log=log, **options)
        case list() if value:
            check_choices(name, value)
            if all(map(_is_number, value)):
                return cs.OrdinalHyperparameter(name, value, **options)
            return cs.CategoricalHyperparameter(name, value, **options)
        case dict() if {"mu", "sigma"} <= set(value):
            return _normal(name, value, options)
        case bool() | int() | float() | str():
            return cs.Constant(name, value)
    return None


def _normal(name: str, value: dict[str, Any], options: dict[str, Any]) -> Hyperparameter:
    """Return a normal distribution, of integers if its mean is an integer.

    Raises:
        ValueError: A part is missing, unknown or not a number, or the standard deviation is not above 0.
    """
    parts = {"mu", "sigma", "lower", "upper"}
    if missing := sorted(parts - set(value)):
        raise ValueError(f"a normal distribution has bounds; add {' and '.join(missing)}")
    if unknown := sorted(set(value) - parts):  # also "log": ConfigSpace would use |log(sigma)| as sigma
        raise ValueError(f"a normal distribution has mu, sigma, lower and upper; not {', '.join(unknown)}")
    if wrong := [part for part in sorted(parts) if not _is_number(value[part])]:
        raise ValueError(f"{wrong[0]} is not a number")
    if value["sigma"] <= 0:
        raise ValueError("sigma is not above 0")
    is_integer = isinstance(value["mu"], int)
    normal = cs.NormalIntegerHyperparameter if is_integer else NormalFloat
    return normal(name, **value, **options)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
