"""What the tables of a site's file have in common: they cannot be changed, and name where their facts are stated."""

from __future__ import annotations

import string
from collections.abc import Iterable
from datetime import date

from pydantic import BaseModel, ConfigDict

REQUESTED = ("project", "name", "queue", "nodes", "walltime", "filesystems")
"""What a directive may hold in braces: the parts of a request."""


def placeholders(text: str) -> set[str]:
    """Return the names in braces of a text.

    Raises:
        ValueError: A brace is not closed.
    """
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def check_placeholders(lines: Iterable[str], known: tuple[str, ...]) -> None:
    """Raise ``ValueError`` where a line holds unknown names in braces, or a line break."""
    for line in lines:
        if "\n" in line:
            raise ValueError(f"{line!r} has several lines; give one")
        for name in sorted(placeholders(line) - set(known)):
            raise ValueError(f"{line!r} holds {{{name}}}; known are {', '.join(known)}")


class Facts(BaseModel):
    """A table of facts, which cannot be changed once it is read.

    Attributes:
        sources: Names of the sources that state them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[str, ...] = ()


class Source(BaseModel):
    """Where facts are stated.

    Attributes:
        page: A repository and a file in it, or an address.
        stated: When that was last changed, as it was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str
    stated: date
