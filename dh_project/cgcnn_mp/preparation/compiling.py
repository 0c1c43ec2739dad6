"""Compiling functions with numba, once: what is compiled is kept beside the source, or in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return a function that is compiled at its first call; division by zero gives what NumPy's does.

    Where nothing can be kept (neither the installation nor the home folder can be written to), each process compiles.
    """
    try:
        return cast(F, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba finds no place for its cache
        return cast(F, njit(nogil=True, error_model="numpy")(function))
