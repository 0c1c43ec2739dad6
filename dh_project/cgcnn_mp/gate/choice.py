"""Which kernels compute the gated sum: by device, or as one says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType

from torch import Tensor

from dh_project.cgcnn_mp.errors import unknown

NAMES = ("auto", "torch")

_chosen: ContextVar[str] = ContextVar("kernels", default="auto")


@contextmanager
def using_kernels(name: str) -> Iterator[None]:
    """Compute the gated sum with these kernels inside a ``with`` statement.

    Raises:
        ValueError: There are no kernels of that name.
    """
    if name not in NAMES:
        raise ValueError(unknown("kernels", name, NAMES))
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def kernels_for(values: Tensor) -> ModuleType:
    """Return the module of the kernels for values on their device and of their precision."""
    return import_module("dh_project.cgcnn_mp.gate.torch_gate")
