"""The exception for mistakes of the user, and the wording of messages about unknown names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from dh_project.common.plain import one_line as one_line


class UserError(Exception):
    """A mistake of the user. The message is one line: what happened, to which file or id, and what to do next.

    The command line prints the message without a traceback and exits with status 2.
    """


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'ray'?)"`` if a valid name is similar, else an empty string.

    Args:
        name: The unknown name.
        valid: The valid names.

    >>> did_you_mean("rya", ["process", "ray"])
    " (did you mean 'ray'?)"
    """
    by_lower_case = {candidate.lower(): candidate for candidate in valid}
    near = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    return f" (did you mean {by_lower_case[near[0]]!r}?)" if near else ""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """Return the message for an unknown name: the near match, if there is one, and all valid names.

    >>> unknown_name("loss", "maee", ["mae", "mse"])
    "unknown loss 'maee' (did you mean 'mae'?); valid: mae, mse"
    """
    valid = list(valid)
    return f"unknown {kind} {name!r}{did_you_mean(name, valid)}; valid: {', '.join(valid)}"


def unknown(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """Return a :class:`UserError` with the message of :func:`unknown_name`."""
    return UserError(unknown_name(kind, name, valid))
