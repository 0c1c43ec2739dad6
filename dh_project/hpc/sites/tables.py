"""Base classes for the tables of a site file: they are frozen, and name the sources of their facts."""

from __future__ import annotations

import string
from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

REQUESTED = ("project", "name", "queue", "nodes", "walltime", "filesystems")
"""Placeholders that a directive may hold: the parts of a request."""


def one_line_only(text: str) -> str:
    """Return a text, or raise ``ValueError`` if it has several lines."""
    if text.splitlines() not in ([], [text]):
        raise ValueError(f"{text!r} has several lines; give one")
    return text


Line = Annotated[str, AfterValidator(one_line_only)]
"""A text of one line: a second line would be a command in a script."""


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders in a text.

    Raises:
        ValueError: A brace is not closed.
    """
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def check_placeholders(lines: Iterable[str], known: tuple[str, ...]) -> None:
    """Raise ``ValueError`` if a line has an unknown placeholder, a format in a placeholder, or a line break."""
    for line in map(one_line_only, lines):
        for _, name, form, conversion in string.Formatter().parse(line):
            if name is not None and name not in known:
                raise ValueError(f"{line!r} holds {{{name}}}; known are {', '.join(known)}")
            if form or conversion:
                raise ValueError(f"{line!r} holds more than a name in braces; give {{{name}}} alone")


class Table(BaseModel):
    """A table of a site file. Unknown keys are refused, and values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Facts(Table):
    """A table of facts.

    Attributes:
        sources: Names of the sources that state the facts.
    """

    sources: tuple[str, ...] = ()


class Source(Table):
    """A source of facts.

    Attributes:
        page: A file in a repository, or a web address.
        stated: Date of the page's last change when it was read.
    """

    page: str
    stated: date
