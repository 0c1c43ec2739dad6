"""The processes of one trial that is trained data-parallel: which of them this one is, and where they meet."""

from __future__ import annotations

import os
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from dh_project.running import home_folder

RANK_VARIABLES = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "PALS_RANKID", "SLURM_PROCID")
SIZE_VARIABLES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PALS_SIZE", "SLURM_NTASKS")
"""Of torch's launcher, which may run below another, and then of MPICH, Open MPI, PALS and Slurm."""

PREFIXES = ("PMI", "HYDI_", "OMPI_COMM_WORLD_", "PALS_")


def rank() -> int:
    """Return which of its trial's processes this one is, from 0, as its launcher says; 0 where there is one."""
    return _first(RANK_VARIABLES, 0)


def world_size() -> int:
    """Return how many processes the trial has."""
    return _first(SIZE_VARIABLES, 1)


def meeting_place() -> str:
    """Return a ``file://`` address at which the processes of this trial's attempt find each other.

    For ``torch.distributed.init_process_group(init_method=…)``; all of them must see the trial's folder.

    Raises:
        RuntimeError: This is no trial of a search.
    """
    folder = home_folder()
    if folder is None:
        raise RuntimeError("there is no trial here, and so no folder to meet in; name an address of your own")
    return f"file://{(folder if rank() == 0 else folder.parent) / '.processes'}"


def folder_of(folder: str, number: int) -> str:
    """Return the folder of one process of an attempt; that of the first is the attempt's own."""
    return folder if number == 0 else str(Path(folder) / f"rank-{number}")


def forget_ranks(environment: MutableMapping[str, str]) -> None:
    """Take out what tells of ranks: a launcher may be a rank itself, and its jobs inherit what they are not."""
    for name in [name for name in environment if name.startswith(PREFIXES)]:
        del environment[name]


def _first(names: Iterable[str], default: int) -> int:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), default)
