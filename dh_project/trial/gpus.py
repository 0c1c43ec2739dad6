"""The GPUs that this process may use, and the variable that shows them to it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

DEVICES = Path("/dev")
"""Folder of the device files."""

DEVICE_FILES = ("nvidia[0-9]*", "kfd", "dxg")
"""Device files that the drivers of NVIDIA, AMD and WSL make if there is a GPU."""

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""Variables that limit the GPUs a process sees. AMD's libraries read all three."""

UNIQUE_NAMES = ("GPU-", "MIG-")
"""Prefixes of the unique names of a GPU, and of a part of one."""


def gpu_variable() -> str:
    """Return the variable that shows this process its GPUs, and by which it may show a child some of them."""
    return next((name for name in VARIABLES if name in os.environ), VARIABLES[0])


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as :func:`gpu_variable` names them."""
    if sys.platform == "linux" and not any(any(DEVICES.glob(name)) for name in DEVICE_FILES):
        return []  # without importing torch, which takes seconds
    named = os.environ.get(gpu_variable())
    if named is not None:
        return gpus_named_by(named, _nvidia_devices())
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def gpus_named_by(value: str, count: int | None = None) -> list[str]:
    """Return the GPUs that a value of ``CUDA_VISIBLE_DEVICES`` names, as the CUDA driver reads it.

    Entries are indices (``0,2``) or unique names (``GPU-8932f937-...``, ``MIG-...``). The list ends at the first
    entry that is neither, negative or too large, so ``0,-1,1`` names one GPU and ``NoDevFiles`` names none. If an
    entry is repeated, no GPU is visible.

    Args:
        value: The variable's value.
        count: Number of GPUs, if it is known: larger indices are invalid.

    Example:
        >>> from dh_project.trial.gpus import gpus_named_by
        >>> gpus_named_by("0,1"), gpus_named_by("0,-1,1"), gpus_named_by("NoDevFiles"), gpus_named_by("0,0")
        (['0', '1'], ['0'], [], [])
    """
    prefix = next((prefix for prefix in UNIQUE_NAMES if value.strip().startswith(prefix)), None)
    named: list[str] = []
    for entry in value.split(","):
        name = _unique_name(entry, prefix) if prefix else _index(entry, count)
        if name is None:
            break
        if name in named:
            return []
        named.append(name)
    return named


def _unique_name(entry: str, prefix: str) -> str | None:
    return entry.strip() if entry.strip().startswith(prefix) else None


def _index(entry: str, count: int | None) -> str | None:
    """Return the number with which an entry begins (CUDA reads ``1x`` as 1); None if that is no GPU."""
    number = re.match(r"\s*\+?(\d+)", entry, re.ASCII)
    if number is None or (count is not None and int(number[1]) >= count):
        return None
    return str(int(number[1]))


def _nvidia_devices() -> int | None:
    """Return the number of NVIDIA GPUs; None if it is not known because another driver shows them."""
    names = [device.name.removeprefix("nvidia") for device in DEVICES.glob(DEVICE_FILES[0])]
    return len([name for name in names if name.isdigit()]) or None
