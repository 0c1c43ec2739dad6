"""The values of one hyperparameter: which are legal, which type they have in a point, and their place on a scale.

A point is JSON data, because it is sent to workers and kept in the journal as JSON. So a choice is None, a boolean, a
finite number, a text, or a list of these. Other choices are refused: a tuple would come back as a list.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import Hyperparameter

from dh_project.common.errors import UserError

MOST_INTEGERS = 2**53
"""Largest integer, and largest number of integers, that a range can have: up to here all of them are exact floats."""

LEAST_BOUND = 1e-11
"""Smallest bound of a ConfigSpace range. ConfigSpace rounds bounds to 13 decimals, which changes smaller ones."""

INTEGERS = cs.UniformIntegerHyperparameter | cs.NormalIntegerHyperparameter | cs.BetaIntegerHyperparameter
FLOATS = cs.UniformFloatHyperparameter | cs.NormalFloatHyperparameter | cs.BetaFloatHyperparameter


class IllegalValue(ValueError):
    """A value lies outside a hyperparameter's range or choices."""


def choices_of(dimension: Hyperparameter) -> tuple[Any, ...]:
    """Return the choices of a hyperparameter in their order, as they stand in points; none for a range."""
    if isinstance(dimension, cs.CategoricalHyperparameter):
        return tuple(map(plain, dimension.choices))
    if isinstance(dimension, cs.OrdinalHyperparameter):
        return tuple(map(plain, dimension.sequence))
    return (plain(dimension.value),) if isinstance(dimension, cs.Constant) else ()


def plain(value: Any) -> Any:
    """Return a value with Python's type in place of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def legal(dimension: Hyperparameter, value: Any) -> Any:
    """Return a value as it stands in points: an integer of a range of integers, or one of the choices.

    Raises:
        IllegalValue: The value lies outside.
    """
    value = plain(value)
    if choices := choices_of(dimension):
        return choices[_index(choices, [value])[0]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IllegalValue
    try:
        number = int(value) if isinstance(dimension, INTEGERS) else float(value)
    except (ValueError, OverflowError):  # NaN and infinity have no integer, and 10**400 has no float
        raise IllegalValue from None
    low, high = _bounds(dimension)
    if number != value or not low <= number <= high:
        raise IllegalValue
    return number


def at(dimension: Hyperparameter, vector: np.ndarray) -> list[Any]:
    """Return the values at places on a hyperparameter's scale.

    Args:
        dimension: The hyperparameter.
        vector: Places, float64 (values,): from 0 to 1 for a range, or the index of a choice. A constant is at 1, as
            in ConfigSpace.
    """
    if isinstance(dimension, cs.Constant):
        return [plain(dimension.value)] * len(vector)
    if choices := choices_of(dimension):
        return [choices[int(index)] for index in np.rint(vector)]
    values = np.clip(dimension.to_value(vector), *_bounds(dimension))
    found: list[Any] = values.tolist()
    return found


def places(dimension: Hyperparameter, values: Sequence[Any]) -> np.ndarray:
    """Return the places of legal values on a hyperparameter's scale; the inverse of :func:`at`.

    Raises:
        IllegalValue: A value is not one of the choices.
    """
    if choices := choices_of(dimension):
        return np.array(_index(choices, values), dtype=float) + isinstance(dimension, cs.Constant)
    return np.clip(dimension.to_vector(np.array(values, dtype=float)), 0.0, 1.0)


def _bounds(dimension: Hyperparameter) -> tuple[float, float]:
    """Return the bounds of a range."""
    assert isinstance(dimension, INTEGERS | FLOATS)
    return dimension.lower, dimension.upper


def _index(choices: Iterable[Any], values: Iterable[Any]) -> list[int]:
    """Return the index of each value among the choices."""
    known = {_key(choice): index for index, choice in enumerate(choices)}
    try:
        return [known[_key(value)] for value in values]
    except (KeyError, TypeError):  # a tuple or dictionary is no choice
        raise IllegalValue from None


def _key(value: Any) -> Hashable:
    """Return a hashable form of a choice. Equal choices have equal forms."""
    if isinstance(value, list):
        return ("list", *map(_key, value))
    if isinstance(value, tuple):
        raise TypeError
    key: Hashable = plain(value)
    return key


def check_dimension(dimension: Hyperparameter) -> None:
    """Check that every value of a hyperparameter can stand in a point without a change.

    Raises:
        UserError: A choice is not JSON data, or the range cannot be represented exactly.
    """
    given = getattr(dimension, "choices", getattr(dimension, "sequence", None))
    check_choices(dimension.name, (dimension.value,) if isinstance(dimension, cs.Constant) else given or ())
    if isinstance(dimension, INTEGERS):
        check_integers(dimension.name, dimension.lower, dimension.upper)
    elif isinstance(dimension, FLOATS) and type(dimension).__module__.startswith("ConfigSpace"):
        for bound in (dimension.lower, dimension.upper):
            if 0 < abs(bound) < LEAST_BOUND:
                log = ', "log-uniform"' if getattr(dimension, "log", False) else ""
                raise UserError(
                    f"hyperparameter {dimension.name!r}: ConfigSpace rounds the bounds of a range to 13 decimals, "
                    f"and {bound:g} may have been another number; write add_dim({dimension.name!r}, "
                    f"(low, high{log})), which is exact"
                )


def check_choices(name: str, choices: Iterable[Any]) -> None:
    """Check that choices are JSON data.

    Raises:
        UserError: One is not.
    """
    for choice in choices:
        if reason := _not_json(choice):
            raise UserError(f"hyperparameter {name!r}: {reason}")


def check_integers(name: str, low: int, high: int) -> None:
    """Check that all integers of a range are exact floats, which samplers and models work with.

    Raises:
        UserError: They are not.
    """
    if max(abs(low), abs(high), high - low) > MOST_INTEGERS:
        raise UserError(
            f"hyperparameter {name!r}: the range from {low} to {high} is too large; give at most 2**53 = "
            f"{MOST_INTEGERS}, up to which integers are exact"
        )


def _not_json(choice: Any) -> str | None:
    """Return why a choice cannot be kept in the journal; None if it can."""
    value = plain(choice)
    if isinstance(value, list):
        return next(filter(None, map(_not_json, value)), None)
    kind = type(value)
    if kind is tuple:
        return (
            f"the choice {value!r} is a tuple, which comes back as a list from the journal; write it as a list, "
            f"{list(value)!r}"
        )
    if kind is float and not math.isfinite(value):
        return (
            f"the choice {value!r} cannot be kept in the journal, because JSON has no form for it; write None or "
            f"the text {str(value)!r}, and convert it in the run function"
        )
    if value is None or kind in (bool, int, float, str):
        return None
    return (
        f"the choice {value!r} has the type {kind.__name__}, which the journal cannot keep; write a text or a "
        f"number, and convert it in the run function"
    )
