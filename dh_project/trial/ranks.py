"""Ranks: the processes of one trial that is trained data-parallel, and the place at which they meet.

A launcher (``mpiexec``, ``srun``, ``torchrun``) tells a process its rank in environment variables of its own. A trial
sees only torch's variables, ``RANK`` and ``WORLD_SIZE``, which the worker sets, because the launcher's ranks may be
workers of many trials.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.trial.reporting import home_folder

RANK, WORLD_SIZE = "RANK", "WORLD_SIZE"

RANK_VARIABLES = (RANK, "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PALS_RANKID", "SLURM_PROCID")
SIZE_VARIABLES = (WORLD_SIZE, "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PALS_SIZE", "SLURM_NTASKS")
"""Variables of torch's launcher, which may run below another one, then of MPICH, PMIx, Open MPI, PALS and Slurm."""

OPEN_MPI = "OMPI_COMM_WORLD_SIZE"

SLURM_STEP = "SLURM_STEP_ID"
"""Set if ``srun`` started the process. A batch script has Slurm's other variables too, and is not a rank."""

PREFIXES = ("PMI", "HYDI_", "OMPI_COMM_WORLD_", "PALS_")


def rank() -> int:
    """Return the rank of this process in its trial, from 0; 0 if the trial has a single process."""
    return _first(RANK_VARIABLES) or 0


def world_size() -> int:
    """Return the number of processes of the trial."""
    return _first(SIZE_VARIABLES) or 1


def is_launched() -> bool:
    """Return whether a launcher of ranks has started this process."""
    return _first(RANK_VARIABLES) is not None


def is_follower() -> bool:
    """Return whether this process is a rank other than the first, which must not print or report."""
    return rank() > 0


def meeting_place() -> str:
    """Return a ``file://`` address at which the processes of this attempt find each other.

    All processes must see the trial's folder.

    Raises:
        RuntimeError: If this process is not a trial of a search.
        UserError: If the folder's name cannot be part of an address.

    Example::

        torch.distributed.init_process_group(
            "gloo", init_method=meeting_place(), rank=rank(), world_size=world_size()
        )
    """
    folder = home_folder()
    if folder is None:
        raise RuntimeError("there is no trial here, and so no folder to meet in; name an address of your own")
    check_meeting_folder(folder)
    return f"file://{(folder if rank() == 0 else folder.parent) / '.processes'}"


def check_meeting_folder(folder: Path) -> None:
    """Check that processes can meet in a folder; torch ends an address at ``#`` and ``?``.

    Raises:
        UserError: If its path contains one of them.
    """
    if any(character in str(folder) for character in "#?"):
        raise UserError(
            f"{folder}: the ranks of a trial meet at a file's address, which has no # and no ?; name another folder"
        )


def folder_of(folder: str, number: int) -> str:
    """Return the folder of one process of an attempt; the first process has the attempt's own folder."""
    return folder if number == 0 else str(Path(folder) / f"rank-{number}")


def tell_rank(environment: MutableMapping[str, str], number: int, count: int) -> None:
    """Set the variables that tell a process its rank, or remove them if it is the only process of its trial."""
    if count == 1:
        forget_ranks(environment)
    else:
        environment[RANK], environment[WORLD_SIZE] = str(number), str(count)


def forget_ranks(environment: MutableMapping[str, str]) -> None:
    """Remove all variables of launchers, which a job inherits from a launcher that is a rank itself."""
    for name in [name for name in environment if name.startswith(PREFIXES)]:
        del environment[name]
    for name in (*RANK_VARIABLES, *SIZE_VARIABLES):
        environment.pop(name, None)


def _first(names: Iterable[str]) -> int | None:
    """Return the number in the first of these variables that holds one."""
    in_step = SLURM_STEP in os.environ
    names = [name for name in names if in_step or not name.startswith("SLURM_")]
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), None)
