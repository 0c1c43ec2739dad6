"""Selects the kernels that compute the gated sum: the fastest for the device, or those that the user names.

A module of kernels has the functions ``statistics``, ``forward`` and ``backward``, with the signatures of
``torch_gate``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

import dh_project as dh

NAMES = ("auto", "numba", "triton", "torch")

_FITS = {"numba": "float32 tensors on the CPU", "triton": "tensors of at most 32 bits on a CUDA device"}
_chosen: ContextVar[str] = ContextVar("kernels", default="auto")


@contextmanager
def using_kernels(name: str) -> Iterator[None]:
    """Use these kernels inside a ``with`` statement.

    Raises:
        ValueError: There are no kernels of this name, or their package is not installed.
    """
    if name not in NAMES:
        raise ValueError(dh.errors.unknown_name("kernels", name, NAMES))
    if name != "auto" and _module(name) is None:
        raise ValueError(f"kernels {name!r} need the package {name}, which cannot be imported; use 'auto'")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def kernels_for(values: Tensor) -> ModuleType:
    """Return the module of kernels for a tensor's device and precision.

    Raises:
        ValueError: The kernels that the user named do not support this device or precision.
    """
    chosen, fitting = _chosen.get(), _fitting(values.device.type, values.dtype)
    module = _module(fitting if chosen == "auto" else chosen) or _module("torch")
    assert module is not None  # torch is always installed
    if chosen not in ("auto", "torch", fitting):
        raise ValueError(
            f"kernels {chosen!r} compute {_FITS[chosen]}, not {str(values.dtype).removeprefix('torch.')} "
            f"on {values.device}; use 'auto'"
        )
    return module


def warm_up() -> None:
    """Import the CPU kernels, and compile them if necessary, before processes are forked."""
    if _module("numba") is not None:
        import_module("dh_project.cgcnn_mp.network.kernels.numba_layer")


def by_numba(*tensors: Tensor) -> bool:
    """Return whether the numba kernels compute with these tensors."""
    return all(kernels_for(tensor).__name__.endswith("numba_gate") for tensor in tensors)


def arrays(*tensors: Tensor) -> list[np.ndarray]:
    """Return tensors as NumPy arrays. Contiguous tensors share their memory, others are copied."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _fitting(device: str, dtype: torch.dtype) -> str:
    name = {"cpu": "numba", "cuda": "triton"}.get(device, "torch")
    if name == "triton" and torch.are_deterministic_algorithms_enabled():
        return "torch"  # the last bits of Triton's sums differ between runs
    return name if dtype in getattr(_module(name), "DTYPES", (torch.float32,)) else "torch"


@cache
def _module(name: str) -> ModuleType | None:
    """Return a module of kernels; None if its package is not installed."""
    try:
        return import_module(f"dh_project.cgcnn_mp.network.kernels.{name}_gate")
    except ImportError:
        return None
