"""The run function in its worker: imported once, with what the import leaves behind for the trials."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dh_project.trial.attempt import RunContext
from dh_project.user_code.loading import load_run
from dh_project.worker.leaving import flush, noting_exit_functions, open_files
from dh_project.worker.random_numbers import RandomNumbers

THREADS = Path("/proc/self/task")


class ImportedRun:
    """The run function of a worker's trials.

    Args:
        context: What all trials share.

    Attributes:
        run: The function; None until it is imported.
        random_numbers: The generators of this process.
        open_files: Files that the import has left open.
        has_exit_functions: Whether the user's modules have registered exit functions, which each trial must run.
    """

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.run: Callable[..., Any] | None = None
        self.random_numbers = RandomNumbers(context.seed)
        self.open_files: list[io.IOBase] = []
        self.has_exit_functions = False

    def load(self) -> Callable[..., Any]:
        """Import the run function and return it.

        Raises:
            Exception: It cannot be imported.
        """
        with self.random_numbers.importing(), noting_exit_functions() as files:
            run = load_run(self.context.run)
        self.run, self.has_exit_functions = run, bool(files)
        return run

    def is_fit_for_forks(self) -> bool:
        """Return whether forks of this process are as good as fresh processes that import the run function.

        - Exit functions of the user's modules belong to each trial.
        - CUDA does not work in a fork if it was initialized before.
        - Numba ends forks of a process that has used its GNU OpenMP, even without threads.
        - A fork has no other threads, so that libraries with running threads, such as OpenMP, hang in it. OpenBLAS
          ends its threads before each fork, and starts them again when they are needed.
        """
        if self.has_exit_functions:
            return False
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            return False
        numba = sys.modules.get("numba")
        if numba is not None:
            with suppress(ValueError):  # it has run nothing in parallel
                numba.threading_layer()
                return False
        _fork_once()
        return not THREADS.exists() or len(list(THREADS.iterdir())) == 1

    def prepare_for_forks(self) -> None:
        """Write what files hold, so that no trial writes it again, and keep memory shared with the trials."""
        self.open_files = open_files()
        flush(self.open_files)
        gc.collect()
        gc.freeze()


def _fork_once() -> None:
    """Fork a process that ends at once; before a fork, OpenBLAS ends its threads."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    with suppress(ChildProcessError):  # the imported code may have waited for all children
        os.waitpid(child, 0)
