"""Where commands print: the terminal, or a file in which no line is broken."""

from __future__ import annotations

import sys

from rich.console import Console

WIDTH_OF_FILES = 200


def open_console() -> Console:
    """Return a console on standard output that prints text as it is, without markup."""
    width = None if sys.stdout and sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(width=width, soft_wrap=True, highlight=False, markup=False, emoji=False)
