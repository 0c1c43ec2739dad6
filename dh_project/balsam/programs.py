"""Command lines of this package's own programs, for jobs and scripts that start elsewhere."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import MutableMapping
from pathlib import Path

PACKAGE_HOME = str(Path(__file__).parents[2])

PR_SET_PDEATHSIG = 1

RANK_VARIABLES = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "PALS_RANKID", "SLURM_PROCID")
"""Of torch's launcher, which may run below another, and then of MPICH, Open MPI, PALS and Slurm."""

PREFIXES_OF_RANKS = ("PMI", "HYDI_", "OMPI_COMM_WORLD_", "PALS_")


def program(module: str) -> list[str]:
    """Return the command that calls ``main()`` of a module, with this interpreter, from any working directory.

    With ``python -P`` no file of the working directory can hide a module; the folder of this package comes last,
    for a clone that is not installed.
    """
    start = f"import sys; sys.path.append(sys.argv.pop(1)); from {module} import main; main()"
    return [sys.executable, "-P", "-c", start, PACKAGE_HOME]


def die_with_the_parent() -> None:
    """Have a SIGTERM come when the launcher above dies, which would otherwise leave this process on its node."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def rank() -> int:
    """Return which of a job's processes this one is, from 0, as its launcher says."""
    return next((int(os.environ[name]) for name in RANK_VARIABLES if os.environ.get(name, "").isdigit()), 0)


def forget_ranks(environment: MutableMapping[str, str]) -> None:
    """Take out what tells of ranks: a serial launcher is a rank itself, and its jobs inherit what they are not."""
    for name in [name for name in environment if name.startswith(PREFIXES_OF_RANKS)]:
        del environment[name]
