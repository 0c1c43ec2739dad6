"""The one error of bad data and bad data settings."""

from __future__ import annotations

from collections.abc import Iterable

from dh_project.common.errors import did_you_mean


class DataError(ValueError):
    """Data or data settings that cannot be used; one line: what, which, why, and what to do."""


def unknown(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return the message for an unknown name: the near match, if any, and the valid ones."""
    valid = list(valid)
    return f"unknown {kind} {name!r}{did_you_mean(name, valid)}; valid: {', '.join(valid)}"
