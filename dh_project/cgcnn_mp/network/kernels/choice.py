"""Which kernels compute the gated sum: the fastest that fit, or those one asks for.

A module of kernels has ``statistics``, ``forward`` and ``backward``, with the signatures of ``torch_gate``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

import dh_project as dh

NAMES = ("auto", "numba", "triton", "torch")

_FITS = {"numba": "float32 tensors on the CPU", "triton": "tensors of at most 32 bits on a CUDA device"}
_chosen: ContextVar[str] = ContextVar("kernels", default="auto")


@contextmanager
def using_kernels(name: str) -> Iterator[None]:
    """Compute the gated sum with these kernels inside a ``with`` statement.

    Raises:
        ValueError: There are no kernels of that name, or they are not installed.
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
    """Return the module of the kernels for values on their device and of their precision.

    Raises:
        ValueError: The kernels that were asked for do not compute such values.
    """
    chosen, fitting = _chosen.get(), _fitting(values.device.type, values.dtype)
    module = _module(fitting if chosen == "auto" else chosen) or _module("torch")
    assert module is not None  # plain torch is always there
    if chosen not in ("auto", "torch", fitting):
        raise ValueError(
            f"kernels {chosen!r} compute {_FITS[chosen]}, not {str(values.dtype).removeprefix('torch.')} "
            f"on {values.device}; use 'auto'"
        )
    return module


def warm_up() -> None:
    """Import, and where that is not yet done compile, the kernels for the CPU: before processes are forked."""
    if _module("numba") is not None:
        import_module("dh_project.cgcnn_mp.network.kernels.numba_layer")


def _fitting(device: str, dtype: torch.dtype) -> str:
    name = {"cpu": "numba", "cuda": "triton"}.get(device, "torch")
    if name == "triton" and torch.are_deterministic_algorithms_enabled():
        return "torch"  # Triton's sums differ in the last bits from run to run
    return name if dtype in getattr(_module(name), "DTYPES", (torch.float32,)) else "torch"


@cache
def _module(name: str) -> ModuleType | None:
    """Return the kernels' module; None where what it needs is not installed."""
    try:
        return import_module(f"dh_project.cgcnn_mp.network.kernels.{name}_gate")
    except ImportError:
        return None
