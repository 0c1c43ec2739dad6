"""Command lines of this package's own programs, for jobs and scripts that start elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE_HOME = str(Path(__file__).parents[2])


def program(module: str) -> list[str]:
    """Return the command that calls ``main()`` of a module, with this interpreter, from any working directory.

    With ``python -P`` no file of the working directory can hide a module; the folder of this package comes last,
    for a clone that is not installed.
    """
    start = f"import sys; sys.path.append(sys.argv.pop(1)); from {module} import main; main()"
    return [sys.executable, "-P", "-c", start, PACKAGE_HOME]
