"""Compiles functions with numba, and caches the machine code beside the source or in the user's cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F, signature: str | None = None, **options: Any) -> F:
    """Compile a function, or load it if it is cached. Division by zero behaves as in NumPy.

    If neither the installation nor the home folder can be written to, each process compiles the function anew.

    Args:
        function: The function to compile.
        signature: Types of its arguments; the function is then compiled immediately. None: compile at the first call.
        **options: Other options of ``numba.njit``.
    """
    compiler = partial(cast(Any, njit), signature, **{"nogil": True, "error_model": "numpy"} | options)
    # numba's cache only checks the function's own file, but functions of other files are compiled into it. A name
    # that depends on all sources makes sure that a new version never uses parts of an old one
    function.__qualname__ += f"-{_sources(Path(function.__code__.co_filename).parent)}"
    try:
        return cast(F, compiler(cache=True)(function))
    except (RuntimeError, OSError):  # numba finds no folder for its cache, or a full disk
        return cast(F, compiler()(function))


@cache
def _sources(folder: Path) -> str:
    """Return a hash of the modules in a folder, and of this module."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(folder.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
