"""Which GPUs there are, and which of them each worker gets."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from dh_project.common.errors import UserError

DEVICE_FILES = ("nvidia[0-9]*", "kfd", "dxg")
"""What the drivers of NVIDIA, AMD and WSL put under ``/dev`` where there is a GPU."""

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""By which a process is shown some GPUs only; AMD's libraries heed all three."""

FINEST = 10_000
"""Parts of a GPU: Ray counts no smaller ones."""


def gpu_variable() -> str:
    """Return the variable by which this process is shown its GPUs, or may show a child some of them."""
    return next((name for name in VARIABLES if name in os.environ), VARIABLES[0])


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``gpu_variable`` names them."""
    if sys.platform == "linux" and not any(any(Path("/dev").glob(name)) for name in DEVICE_FILES):
        return []  # known without the seconds that importing torch takes
    named = os.environ.get(gpu_variable())
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def gpu_share(asked: float | None, count: int) -> float:
    """Return the GPUs a trial gets where there are ``count`` of them.

    Raises:
        UserError: GPUs are asked for where there are none, or more a trial than there are.
    """
    if asked is None:
        return 1.0 if count else 0.0
    if not 0 <= asked < math.inf:
        raise UserError(f"--num-gpus-per-task {asked:g}: give 0 or more, 0.25 for a quarter of a GPU")
    if 0 < asked < 1 / FINEST:
        raise UserError(f"--num-gpus-per-task {asked:g}: give 0, or at least {1 / FINEST:g}")
    if asked > 0 and not count:
        raise UserError(
            f"--num-gpus-per-task {asked:g}: there is no GPU here; leave the option out or give 0"
        )
    if asked > count or (asked > 1 and asked != int(asked)):
        raise UserError(
            f"--num-gpus-per-task {asked:g}: there are {count} GPUs; give a share below 1 or a whole number of them"
        )
    return asked


def room_on_gpus(share: float, count: int) -> int:
    """Return how many workers ``count`` GPUs of one node hold."""
    return len(gpus_of_workers(share, [""] * count))


def gpus_of_workers(share: float, gpus: list[str]) -> list[list[str]]:
    """Return the GPUs of each worker that fits: ``share`` 0.25 puts four workers on each GPU."""
    if share >= 1:
        size = int(share)
        return [gpus[first : first + size] for first in range(0, len(gpus) - size + 1, size)]
    return [[gpu] for gpu in gpus for _ in range(int(1 / share + 1e-9))]
