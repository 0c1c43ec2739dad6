"""The processes of one trial that is trained data-parallel: which of them this one is, and where they meet.

A launcher (``mpiexec``, ``srun``, ``torchrun``) tells a process its rank in variables of its own. What a trial sees
are torch's, ``RANK`` and ``WORLD_SIZE``, set by the worker: a launcher's ranks may be workers of many trials.
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
"""Of torch's launcher, which may run below another, and then of MPICH, PMIx, Open MPI, PALS and Slurm."""

OPEN_MPI = "OMPI_COMM_WORLD_SIZE"

SLURM_STEP = "SLURM_STEP_ID"
"""Is set where ``srun`` started the process; a batch script has Slurm's other variables, too, and is no rank."""

PREFIXES = ("PMI", "HYDI_", "OMPI_COMM_WORLD_", "PALS_")


def rank() -> int:
    """Return which of its trial's processes this one is, from 0, as its launcher says; 0 where there is one."""
    return _first(RANK_VARIABLES) or 0


def world_size() -> int:
    """Return how many processes the trial has."""
    return _first(SIZE_VARIABLES) or 1


def is_launched() -> bool:
    """Say whether a launcher of ranks has started this process."""
    return _first(RANK_VARIABLES) is not None


def is_follower() -> bool:
    """Say whether a launcher has started this process as another rank than the first: it has nothing to say."""
    return rank() > 0


def meeting_place() -> str:
    """Return a ``file://`` address at which the processes of this trial's attempt find each other.

    For ``torch.distributed.init_process_group(init_method=…)``; all of them must see the trial's folder.

    Raises:
        RuntimeError: This is no trial of a search.
        UserError: The folder's name cannot stand in an address.
    """
    folder = home_folder()
    if folder is None:
        raise RuntimeError("there is no trial here, and so no folder to meet in; name an address of your own")
    check_meeting_folder(folder)
    return f"file://{(folder if rank() == 0 else folder.parent) / '.processes'}"


def check_meeting_folder(folder: Path) -> None:
    """Check that processes can meet in a folder: torch ends an address at these characters, and several trials meet.

    Raises:
        UserError: They cannot.
    """
    if any(character in str(folder) for character in "#?"):
        raise UserError(
            f"{folder}: the ranks of a trial meet at a file's address, which has no # and no ?; name another folder"
        )


def folder_of(folder: str, number: int) -> str:
    """Return the folder of one process of an attempt; that of the first is the attempt's own."""
    return folder if number == 0 else str(Path(folder) / f"rank-{number}")


def tell_rank(environment: MutableMapping[str, str], number: int, count: int) -> None:
    """Let a trial's process know which of how many it is; the only one of its trial knows of no launcher."""
    if count == 1:
        forget_ranks(environment)
    else:
        environment[RANK], environment[WORLD_SIZE] = str(number), str(count)


def forget_ranks(environment: MutableMapping[str, str]) -> None:
    """Take out what tells of ranks: a launcher may be a rank itself, and its jobs inherit what they are not."""
    for name in [name for name in environment if name.startswith(PREFIXES)]:
        del environment[name]
    for name in (*RANK_VARIABLES, *SIZE_VARIABLES):
        environment.pop(name, None)


def _first(names: Iterable[str]) -> int | None:
    """Return the first of these variables that holds a number."""
    in_step = SLURM_STEP in os.environ
    names = [name for name in names if in_step or not name.startswith("SLURM_")]
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), None)
