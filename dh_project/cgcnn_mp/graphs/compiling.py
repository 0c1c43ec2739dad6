"""Compiling functions with numba, once: what is compiled is kept beside the source, or in the user's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F, signature: str | None = None, **options: Any) -> F:
    """Return a function that is compiled, or loaded; division by zero gives what NumPy's does.

    Where nothing can be kept (neither the installation nor the home folder can be written to), each process compiles.

    Args:
        function: What to compile.
        signature: Types of its arguments, with which it is compiled now; None: at its first call.
        options: Others of ``numba.njit``.
    """
    compiler = partial(cast(Any, njit), signature, **{"nogil": True, "error_model": "numpy"} | options)
    # numba looks at the function's own file alone, and what it calls is compiled into it: a name of its own for each
    # state of the sources, so that a new version never runs with parts of an old one
    function.__qualname__ += f"-{_sources(Path(function.__code__.co_filename).parent)}"
    try:
        return cast(F, compiler(cache=True)(function))
    except (RuntimeError, OSError):  # numba finds no place for its cache, or a full one
        return cast(F, compiler()(function))


@cache
def _sources(folder: Path) -> str:
    """Return a digest of the modules in a folder, and of this one."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *sorted(folder.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
