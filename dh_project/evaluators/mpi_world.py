"""The ranks of an MPI job: how they meet, what travels between the first one and the others, and how they part.

Rank 0 searches; the others carry workers (``mpi_carrier``). No call waits inside the MPI library: most of those
that wait take a whole core, which is the trials'. So messages are looked for, more seldom the longer none comes.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, ClassVar

from dh_project.common.errors import UserError, one_line
from dh_project.trial.ranks import OPEN_MPI, is_launched, world_size

ALIVE_SECONDS = 2.0
"""So often each rank says that it is there."""

PARTING_SECONDS = 5.0
"""Ranks have so long to leave at the end; what still hangs then is aborted."""

SHORTEST_LOOK, LONGEST_LOOK, GROWTH = 0.0005, 0.02, 1.1
"""Seconds between two looks for messages; each is so many times the one before, while nothing comes."""

Message = tuple[Any, ...]


class World:
    """All ranks of an MPI job; use it in a ``with`` statement, which ends them together.

    Attributes:
        rank: This process's.
        size: How many there are.
        status: With what the job ends where it has to be aborted.

    Raises:
        UserError: There is no MPI, or no job of it.
    """

    _open: ClassVar[World | None] = None

    def __init__(self) -> None:
        mpi = _library()
        version = mpi.Get_library_version()
        if OPEN_MPI in os.environ and "Open MPI" not in version:
            raise _another_launcher(version)  # the library itself would abort
        if not mpi.Is_initialized():
            mpi.Init_thread(mpi.THREAD_FUNNELED)
        self._mpi, self._all = mpi, mpi.COMM_WORLD
        self.rank, self.size = self._all.Get_rank(), self._all.Get_size()
        self.status = 1
        self._sent: list[Any] = []
        self._left: set[int] = set()
        if self.size == 1 and world_size() > 1:
            raise _another_launcher(version)
        if self.size == 1 and not is_launched():
            raise UserError(
                "--evaluator mpi: this is a single process; start ranks: mpiexec -n 9 deephyper hps … (one searches, "
                "eight carry trials), or search with --evaluator process"
            )
        self._all.Set_errhandler(mpi.ERRORS_RETURN)  # the death of one is not to be that of all

    def send(self, to: int, *message: Any) -> None:
        """Send a message; it is on its way when this returns, and never waited for. One that has left gets none."""
        self._sent = [request for request in self._sent if self._is_pending(request)]
        if to not in self._left:
            with suppress(self._mpi.Exception):  # a dead rank is known by its silence
                self._sent.append(self._all.isend(message, dest=to))

    def _is_pending(self, request: Any) -> bool:
        try:
            return not request.Test()
        except self._mpi.Exception:
            return False

    def received(self) -> list[tuple[int, Message]]:
        """Return the messages that are there, each with the rank that sent it."""
        messages = []
        with suppress(self._mpi.Exception):
            status = self._mpi.Status()
            while (found := self._all.improbe(status=status)) is not None:
                source, message = status.Get_source(), found.recv()
                messages.append((source, message))
                if message[0] == "left":
                    self._left.add(source)
        return messages

    def __enter__(self) -> World:
        World._open = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the job: in order if all ranks leave, else by force, after all output is flushed."""
        World._open = None
        if self.rank == 0 and not self._part():
            if isinstance(error, UserError):
                print(f"deephyper: error: {error}", file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            self._all.Abort(2 if isinstance(error, UserError) else self.status)
        self._mpi.Finalize()

    def _part(self) -> bool:
        """Tell all ranks to leave; say whether they do."""
        others = set(range(1, self.size))
        for each in others:
            self.send(each, "leave")
        limit = time.monotonic() + PARTING_SECONDS
        while others - self._left and time.monotonic() < limit:
            self.received()
            time.sleep(SHORTEST_LOOK)
        return others == self._left


class Pace:
    """How long to wait before the next look for messages: the longer nothing came, the longer."""

    def __init__(self) -> None:
        self.seconds = SHORTEST_LOOK

    def after(self, something_came: object) -> None:
        """Count a look."""
        self.seconds = SHORTEST_LOOK if something_came else min(LONGEST_LOOK, GROWTH * self.seconds)


def open_world() -> World:
    """Return the world whose ``with`` statement this process is in; a process has at most one.

    Raises:
        RuntimeError: If there is none.
    """
    if World._open is None:
        raise RuntimeError("no MPI world is open: put the search into `with World():`")
    return World._open


def _library() -> Any:
    """Return ``mpi4py.MPI``, with no start and no end of its own.

    Raises:
        UserError: It, or the library below it, is missing.
    """
    try:
        import mpi4py

        mpi4py.rc.initialize = mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"--evaluator mpi: there is no MPI library ({one_line(error)[:150]}); install mpi4py beside the "
            "machine's MPI, or with pip both: mpi4py mpich"
        ) from None
    return MPI


def _another_launcher(version: str) -> UserError:
    """Return the error for ranks that were not started by the launcher of mpi4py's library."""
    library = version.splitlines()[0].strip()
    return UserError(
        f"--evaluator mpi: the launcher that started these {world_size()} processes is not that of mpi4py's library "
        f"({library}); use the mpiexec or srun that belongs to it"
    )
