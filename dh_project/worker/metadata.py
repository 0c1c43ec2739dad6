"""The metadata that a trial records: JSON values of limited size, so that a row stays a row."""

from __future__ import annotations

import math
from typing import Any

from dh_project.common.errors import one_line

MOST = 2**21
"""Most characters that the names and values of a trial's metadata may have together."""

MOST_NAMES = 1000
"""Most values of a trial, each of which is a column of the table."""

MOST_MESSAGES = 20
"""Most messages about values that were left out."""


class Metadata:
    r"""Converts what a trial records, and replaces what is too much by a message.

    Example:
        >>> Metadata().plain({"mae": 0.5, "note": "two\nlines"})
        {'mae': 0.5, 'note': 'two lines'}
    """

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._left_out: set[str] = set()

    def plain(self, recorded: dict[str, Any]) -> dict[str, Any]:
        """Return recorded values as JSON values, in the limits of the trial's row."""
        kept: dict[str, Any] = {}
        for name, value in recorded.items():
            kept |= self._within_limits(one_line(name), value)
        return kept

    def _within_limits(self, name: str, value: Any) -> dict[str, Any]:
        too_long = (
            isinstance(value, str | bytes | bytearray) and len(value) > MOST
        )  # converting it takes long
        value = None if too_long else plain_value(value)
        size = MOST + 1 if too_long else len(str(value)) + len(name)
        self._sizes.pop(name, None)
        if sum(self._sizes.values()) + size <= MOST and len(self._sizes) < MOST_NAMES:
            self._sizes[name] = size
            return {name: value}
        self._left_out.add(name[:100])
        if len(self._left_out) > MOST_MESSAGES:
            return {}
        most = f"{MOST_NAMES} values and {MOST // 2**20} MiB"
        return {name[:100]: f"left out: a trial records at most {most}; write a file instead"}


def plain_value(value: Any) -> Any:
    """Return a JSON value: numbers that are not finite become None, other objects become their text.

    An object whose methods fail is named by its type, so that no value makes a trial fail.
    """
    try:
        return _number_or_text(value)
    except Exception as error:
        return one_line(f"{type(value).__name__}, which has no text: {type(error).__name__}")


def _number_or_text(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | bytes | bytearray):
        return one_line(value)
    if isinstance(value, int):
        str(value)  # raises if it has too many digits for JSON
        return int(value)
    try:
        number = float(value)
    except Exception:
        return one_line(value)
    if not math.isfinite(number):
        return None
    return int(number) if hasattr(value, "dtype") and "int" in str(value.dtype) else number
