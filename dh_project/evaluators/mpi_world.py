"""The ranks of an MPI job: how they start, exchange messages and end.

Rank 0 searches; the others carry workers (``mpi_carrier``). No call blocks inside the MPI library, because most
blocking calls keep a core busy that the trials need. Instead messages are polled, less often the longer none has
come.
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
"""Seconds between two signs of life of a rank."""

PARTING_SECONDS = 5.0
"""Seconds that ranks have to leave at the end before the job is aborted."""

SHORTEST_LOOK, LONGEST_LOOK, GROWTH = 0.0005, 0.02, 1.1
"""Seconds between two polls, and the factor by which they grow while no message comes."""

Message = tuple[Any, ...]


class World:
    """All ranks of an MPI job; use it in a ``with`` statement, which ends them together.

    Attributes:
        rank: Rank of this process.
        size: Number of ranks.
        status: Exit status of the job if it has to be aborted.

    Raises:
        UserError: If there is no MPI library, or this is not an MPI job.

    Example::

        with World() as world:
            world.status = carry(world) if world.rank else search()
    """

    _open: ClassVar[World | None] = None

    def __init__(self) -> None:
        mpi = _library()
        version = mpi.Get_library_version()
        if OPEN_MPI in os.environ and "Open MPI" not in version:
            raise _another_launcher(version)  # otherwise the library would abort
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
        self._all.Set_errhandler(mpi.ERRORS_RETURN)  # an error of one rank must not end all

    def send(self, to: int, *message: Any) -> None:
        """Send a message without waiting for its arrival. A rank that has left gets none."""
        self._sent = [request for request in self._sent if self._is_pending(request)]
        if to not in self._left:
            with suppress(self._mpi.Exception):  # a dead rank is noticed by its silence
                self._sent.append(self._all.isend(message, dest=to))

    def _is_pending(self, request: Any) -> bool:
        try:
            return not request.Test()
        except self._mpi.Exception:
            return False

    def received(self) -> list[tuple[int, Message]]:
        """Return the messages that have arrived, each with the rank that sent it."""
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
        """Tell all ranks to leave; return whether they do."""
        others = set(range(1, self.size))
        for each in others:
            self.send(each, "leave")
        limit = time.monotonic() + PARTING_SECONDS
        while others - self._left and time.monotonic() < limit:
            self.received()
            time.sleep(SHORTEST_LOOK)
        return others == self._left


class Pace:
    """Seconds until the next poll for messages, which grow while none comes."""

    def __init__(self) -> None:
        self.seconds = SHORTEST_LOOK

    def after(self, something_came: object) -> None:
        """Adapt the seconds after a poll."""
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
    """Return ``mpi4py.MPI``, without its automatic start and end.

    Raises:
        UserError: If it, or the MPI library, is missing.
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
    """Return the error for ranks whose launcher does not belong to mpi4py's library."""
    library = version.splitlines()[0].strip()
    return UserError(
        f"--evaluator mpi: the launcher that started these {world_size()} processes is not that of mpi4py's library "
        f"({library}); use the mpiexec or srun that belongs to it"
    )
