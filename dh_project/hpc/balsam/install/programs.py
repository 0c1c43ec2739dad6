"""Command lines of this package's own programs, for jobs and scripts that start in other folders."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

PACKAGE_HOME = str(Path(__file__).parents[4])

PR_SET_PDEATHSIG = 1


def program(module: str, python: str | None = None) -> list[str]:
    """Return the command that calls ``main()`` of a module, from any working directory.

    With ``python -P`` no file of the working directory can hide a module. The folder of this package is added last,
    for a checkout that is not installed.

    Args:
        module: The module.
        python: Its interpreter; None for this one.
    """
    start = f"import sys; sys.path.append(sys.argv.pop(1)); from {module} import main; main()"
    return [python or sys.executable, "-P", "-c", start, PACKAGE_HOME]


def die_with_the_parent() -> None:
    """Ask for a SIGTERM when the launcher dies; otherwise this process would stay on its node."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
