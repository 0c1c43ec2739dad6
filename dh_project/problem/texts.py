"""Values of hyperparameters from the texts of a CSV file, which does not tell ``1`` from ``"1"``."""

from __future__ import annotations

import re
from typing import Any, Final

from ConfigSpace.hyperparameters import Hyperparameter

from dh_project.problem.values import choices_of

MISSING: Final = object()
"""Stands for the value of an empty cell: the hyperparameter was inactive."""

EMPTY = ("", "nan", "NaN")
"""Texts of an empty cell, if no choice has this text."""

NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")

NEARLY = re.compile(r"[-+]?[.,]?[0-9]")
"""Beginning of a text that a person means as a number."""


class TextError(ValueError):
    """A text is not a value of its hyperparameter, and is not a value of another space either."""


def value_of_text(dimension: Hyperparameter, text: str) -> Any:
    """Return the value that a text means for a hyperparameter.

    Args:
        dimension: The hyperparameter.
        text: The text of a cell.

    Returns:
        One of the choices, or a number; :data:`MISSING` for an empty cell. A text that can only belong to another
        space is returned unchanged.

    Raises:
        TextError: Two choices have this text, or it should be a number and is not one ("0,01", "10 eV").

    Example:
        >>> import ConfigSpace as cs
        >>> value_of_text(cs.CategoricalHyperparameter("mesh", ["01", "10"]), "01")
        '01'
        >>> value_of_text(cs.UniformIntegerHyperparameter("units", 1, 9), "3.0")
        3.0
    """
    choices = choices_of(dimension)
    found = [choice for choice in choices if text in _texts(choice)]
    number = float(text) if NUMBER.match(text) else None
    if not found and number is not None:
        found = [choice for choice in choices if _is_number(choice) and choice == number]
    if len(found) > 1:
        named = " or ".join(map(repr, found))
        raise TextError(f"{text!r} can mean {named}; put the journal of that search beside the file")
    if found:
        return found[0]
    if text in EMPTY:
        return MISSING
    if number is None and NEARLY.match(text) and all(map(_is_number, choices)):
        raise TextError(f"{text!r} is not a number; write it with a decimal point and without a unit")
    return text if number is None else int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else number


def _texts(choice: Any) -> tuple[str, ...]:
    """Return the texts that stand for a choice in a CSV file."""
    return ("", "None") if choice is None else (str(choice),)


def _is_number(choice: Any) -> bool:
    return isinstance(choice, int | float) and not isinstance(choice, bool)
