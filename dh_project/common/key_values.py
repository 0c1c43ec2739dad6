"""``key=value`` arguments of a command (``--run-kwargs data=crystals epochs=2``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dh_project.common.errors import UserError
from dh_project.common.none import is_none


def parse_key_values(words: Sequence[str]) -> dict[str, Any]:
    """Parse ``key=value`` words.

    Values follow the core schema of YAML 1.2: numbers, ``true`` and ``false``, ``null``, lists ``[a, b]`` and
    mappings ``{a: 1}``. Everything else is text, also ``yes``, ``60:20:20`` and dates. ``none`` means ``null``.

    Args:
        words: The words, each with an identifier before the first ``=``.

    Returns:
        The values by key, of types that JSON has a form for.

    Raises:
        UserError: A word has no ``=``, no key, or a value that is not YAML; or a key is given twice.

    Example:
        >>> parse_key_values(["epochs=2", "lr=1e-3", "ratios=[0.6, 0.4]", "data=mp:2024"])
        {'epochs': 2, 'lr': 0.001, 'ratios': [0.6, 0.4], 'data': 'mp:2024'}
    """
    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"{word!r} is not of the form key=value, as in epochs=2")
        if key in values:
            raise UserError(f"{key!r} is given twice; give it once")
        values[key] = _value(word, text)
    return values


def _value(word: str, text: str) -> Any:
    """Return a value; one that JSON has no form for stays text."""
    if is_none(text):
        return None
    from dh_project.common.yaml_core import YAMLError, load_yaml  # slow to import

    try:
        value = load_yaml(text)
    except YAMLError:
        raise UserError(f"the value of {word!r} cannot be read; quote it") from None
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except TypeError:
        return text
    except ValueError:
        raise UserError(f"{word!r}: the value is not a finite number") from None
