"""The end of a trial's process, as Python ends a process: threads, exit functions, open files.

A trial is a fork of its worker, and leaves by ``os._exit``: the usual end of an interpreter would also destroy the
objects that it shares with the worker, such as locks and temporary folders. So these functions do what the usual end
does for the trial's own objects. The worker kills a trial that takes longer for it than ``LEAVING_SECONDS``.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import logging
import sys
import sysconfig
import threading
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

STANDARD_LIBRARY = sysconfig.get_path("stdlib")
PACKAGES = {"site-packages", "dist-packages"}
"""Folders of modules that do not belong to the user."""

ORDER = (io.TextIOBase, io.BufferedIOBase, io.RawIOBase)
"""Files are closed in this order, because an outer one writes to an inner one."""


@contextmanager
def noting_exit_functions() -> Iterator[list[str]]:
    """Yield a list of the user's files that register exit functions in the block."""
    files: list[str] = []
    register = atexit.register

    def noting(function: Callable[..., Any], /, *arguments: Any, **more: Any) -> Callable[..., Any]:
        file = sys._getframe(1).f_code.co_filename
        if not (file.startswith((STANDARD_LIBRARY, "<")) or PACKAGES & set(Path(file).parts)):
            files.append(file)
        return register(function, *arguments, **more)

    atexit.register = noting
    try:
        yield files
    finally:
        atexit.register = register


def open_files() -> list[io.IOBase]:
    """Return the files that Python objects of this process hold open."""
    return [each for each in gc.get_objects() if issubclass(type(each), io.IOBase)]


def flush(files: Iterable[Any]) -> None:
    """Write what files still hold, also those of C, so that no fork writes it a second time."""
    for file in [*files, sys.stdout, sys.stderr]:
        with suppress(Exception):  # it is closed, or its disk is full
            file.flush()
    ctypes.CDLL(None).fflush(None)


def begin_anew() -> None:
    """Forget the exit functions and the objects of the worker from which this process was forked."""
    gc.freeze()
    atexit._clear()
    atexit.register(logging.shutdown)
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    weakref.finalize._registered_with_atexit = True  # type: ignore[attr-defined]
    if "multiprocessing.util" in sys.modules:
        import multiprocessing.process
        import multiprocessing.util

        multiprocessing.process._children.clear()  # type: ignore[attr-defined]
        atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]


def leave(files_of_worker: Iterable[io.IOBase]) -> None:
    """Do what the interpreter does at its end: wait for threads, run exit functions, close files.

    Args:
        files_of_worker: Files that were open before the fork.
    """
    steps = (
        threading._shutdown,  # type: ignore[attr-defined]
        atexit._run_exitfuncs,
        _close_own_objects,
        lambda: flush(files_of_worker),
    )
    for step in steps:
        try:
            step()
        except BaseException:
            with suppress(BaseException):
                traceback.print_exc()


def _close_own_objects() -> None:
    """Close the files that this process has opened, and finalize other objects that need it."""
    objects = gc.get_objects()
    kinds = {kind for kind in set(map(type, objects)) if _is_file(kind) or _has(kind, "__del__")}
    for each in sorted((each for each in objects if type(each) in kinds), key=_place):
        with suppress(BaseException):
            if _is_file(type(each)):
                each.close()
            else:
                each.__del__()


def _is_file(kind: type) -> bool:
    """Return whether objects of a type are files, or similar: writers of events, data bases."""
    return _has(kind, "flush") and _has(kind, "close")


def _has(kind: type, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__)


def _place(each: Any) -> int:
    """Return the place of an object in the order of closing; other objects come before files."""
    kinds = [number for number, kind in enumerate(ORDER, 1) if issubclass(type(each), kind)]
    return kinds[0] if kinds else 0
