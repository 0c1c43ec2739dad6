"""The one error of bad data and bad data settings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Data or data settings that cannot be used; one line: what, which, why, and what to do."""


def unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return the message for an unknown name: the near match, if any, and the valid ones."""
    valid = list(valid)
    return f"unknown {kind} {name!r}: {near_match(name, valid)}choose from {', '.join(valid)}"


def near_match(name: str, valid: Iterable[str]) -> str:
    """Return the question whether the nearest valid name was meant, and a blank; empty where none is near."""
    near = difflib.get_close_matches(name, list(valid), n=1)
    return f"did you mean {near[0]!r}? " if near else ""
