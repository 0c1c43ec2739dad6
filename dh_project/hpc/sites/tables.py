"""What the tables of a site's file have in common: they cannot be changed, and name where their facts are stated."""

from __future__ import annotations

import string
from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

REQUESTED = ("project", "name", "queue", "nodes", "walltime", "filesystems")
"""What a directive may hold in braces: the parts of a request."""


def one_line_only(text: str) -> str:
    """Return a text that is one line; raise ``ValueError`` where it is several."""
    if text.splitlines() not in ([], [text]):
        raise ValueError(f"{text!r} has several lines; give one")
    return text


Line = Annotated[str, AfterValidator(one_line_only)]
"""A text that is printed on one line: a second one would be a command in a script."""


def placeholders(text: str) -> set[str]:
    """Return the names in braces of a text.

    Raises:
        ValueError: A brace is not closed.
    """
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def check_placeholders(lines: Iterable[str], known: tuple[str, ...]) -> None:
    """Raise ``ValueError`` where a line holds more in braces than known names, or a line break."""
    for line in map(one_line_only, lines):
        for _, name, form, conversion in string.Formatter().parse(line):
            if name is not None and name not in known:
                raise ValueError(f"{line!r} holds {{{name}}}; known are {', '.join(known)}")
            if form or conversion:
                raise ValueError(f"{line!r} holds more than a name in braces; give {{{name}}} alone")


class Table(BaseModel):
    """A table of a site's file, which has known keys alone, and cannot be changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Facts(Table):
    """A table of facts.

    Attributes:
        sources: Names of the sources that state them.
    """

    sources: tuple[str, ...] = ()


class Source(Table):
    """Where facts are stated.

    Attributes:
        page: A repository and a file in it, or an address.
        stated: When that was last changed, as it was read.
    """

    page: str
    stated: date
