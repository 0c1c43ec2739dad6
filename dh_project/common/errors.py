"""The one exception that a user's mistake raises, and the wording of unknown names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake of the user, told in one line: what, which, why, and what to do next.

    The command line prints the line without a traceback and exits with status 2.
    """


def one_line(text: object) -> str:
    """Return a text as a message or a table's row can hold it: on one line, of characters that every file takes."""
    return " ".join(str(text).encode("utf-8", "backslashreplace").decode().split())


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return ``" (did you mean 'ray'?)"`` where a valid name is near, else an empty string."""
    by_lower_case = {candidate.lower(): candidate for candidate in valid}
    near = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    return f" (did you mean {by_lower_case[near[0]]!r}?)" if near else ""


def unknown(what: str, name: str, valid: Iterable[str]) -> UserError:
    """Return the error for a name that is none of the valid ones, with the near match and all of those."""
    valid = list(valid)
    return UserError(f"unknown {what} {name!r}{did_you_mean(name, valid)}; valid: {', '.join(valid)}")
