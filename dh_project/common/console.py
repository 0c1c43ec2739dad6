"""Output of commands to a terminal or a file."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dh_project.common.plain import plain

if TYPE_CHECKING:
    from rich.console import Console


WIDTH_OF_FILES = 200


def open_console() -> Console:
    """Return a console on standard output without markup. Lines are not wrapped if the output is a file."""
    from rich.console import Console

    width = None if sys.stdout and sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(width=width, soft_wrap=True, highlight=False, markup=False, emoji=False)


def tell(text: str) -> None:
    """Print a line. If standard output cannot be written (``| head``, a full disk), drop this and all later lines."""
    try:
        print(plain(text), flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (for the rest of the process)


def write_any_text() -> None:
    """Let characters that the terminal's encoding does not have be printed as escapes, not raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
