"""``key=value`` arguments of a command (``--run-kwargs data=crystals epochs=2``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from dh_project.common.errors import UserError
from dh_project.common.none import is_none


def parse_key_values(words: Sequence[str]) -> dict[str, Any]:
    """Parse ``key=value`` words; values are YAML scalars or flow collections (``2``, ``0.1``, ``[a, b]``).

    Raises:
        UserError: A word has no ``=``, no key, or a value that is not YAML; or a key comes twice.
    """
    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"{word!r} is not of the form key=value, as in epochs=2")
        if key in values:
            raise UserError(f"{key!r} is given twice; give it once")
        values[key] = _scalar(word, text)
    return values


def _scalar(word: str, text: str) -> Any:
    """Read a value; one that JSON has no form for (a date, say) stays the text it is."""
    if is_none(text):
        return None
    import yaml  # slow to import

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"the value of {word!r} cannot be read; quote it") from None
    if isinstance(value, str) and text[:1] in "+-.0123456789":
        with suppress(ValueError):
            value = float(value)  # YAML 1.1 reads 1e-3, which has no point, as a string
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except TypeError:
        return text
    except ValueError:
        raise UserError(f"{word!r}: the value is not a finite number") from None
