"""Runs the command of a script (``python -m package.module [words]``) and returns its exit status."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence

from dh_project.common.errors import UserError, one_line

MISTAKES = (UserError, ValueError, OSError)
"""Exceptions of models for mistakes of the user: an argument, data or a file that cannot be used."""


def exit_status(
    command: Callable[[Sequence[str]], None],
    words: Sequence[str] | None,
    mistakes: tuple[type[Exception], ...] = (UserError,),
) -> int:
    """Run a script's command on its words, and return its exit status.

    ``--help`` prints the script's docstring.

    Args:
        command: Function that receives the words of the command line.
        words: The words; None for those of the process.
        mistakes: Exceptions for mistakes of the user. Each is printed as one line on standard error.

    Returns:
        0, 2 for a mistake, 1 for a training that diverges (``FloatingPointError``), 130 for Ctrl-C,
        141 if the reader of the output has ended.
    """
    words = sys.argv[1:] if words is None else words
    try:
        if "--help" in words or "-h" in words:
            print(inspect.getdoc(sys.modules["__main__"]))
        else:
            command(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has ended, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except FloatingPointError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    except mistakes as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
