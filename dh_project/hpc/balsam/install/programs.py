"""Command lines of this package's own programs, for jobs and scripts that start elsewhere."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

PACKAGE_HOME = str(Path(__file__).parents[4])

PR_SET_PDEATHSIG = 1


def program(module: str, python: str | None = None) -> list[str]:
    """Return the command that calls ``main()`` of a module, from any working directory.

    With ``python -P`` no file of the working directory can hide a module; the folder of this package comes last,
    for a clone that is not installed.

    Args:
        module: The module.
        python: Its interpreter; None for this one.
    """
    start = f"import sys; sys.path.append(sys.argv.pop(1)); from {module} import main; main()"
    return [python or sys.executable, "-P", "-c", start, PACKAGE_HOME]


def die_with_the_parent() -> None:
    """Have a SIGTERM come when the launcher above dies, which would otherwise leave this process on its node."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
