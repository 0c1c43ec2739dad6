"""The lock of a search's folder: one driver at a time, and none that is dead.

``flock`` is the operating system's: it ends with its owner's process, and NFS and Lustre (mounted with ``flock``)
keep it between nodes. A file system without it gets a lease: a file that its owner touches, and that another
driver takes once it has seen no touch for half a minute of its own clock, never by comparing dates.
"""

from __future__ import annotations

import logging

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from dh_project.common.errors import UserError
from dh_project.common.file_lock import WITHOUT_FLOCK
from dh_project.results.paths import SearchPaths

log = logging.getLogger("dh_project")

LEASE_SECONDS = 30.0
"""How long a lease outlives the last touch by its owner."""


class DriverLock:
    """Held from its making to :meth:`release`.

    Args:
        paths: The search's paths; the folder must exist.

    Raises:
        UserError: Another driver holds it.
        OSError: The folder cannot be written to.
    """

    def __init__(self, paths: SearchPaths) -> None:
        self._folder = paths.folder
        try:
            self._lock = self._acquire(FileLock(paths.lock, fallback_to_soft=False), wait=0.0)
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in WITHOUT_FLOCK:
                raise
            log.warning("%s: no flock on this file system; a lease is kept instead", paths.folder)
            self._lock = self._acquire(
                SoftFileLease(paths.lease, lease_duration=LEASE_SECONDS), wait=LEASE_SECONDS + 5
            )

    def check(self) -> None:
        """Make sure that no other driver has taken a lease (this process may have been stopped for long).

        Raises:
            UserError: One has.
        """
        if isinstance(self._lock, SoftFileLease) and self._lock.compromise is not None:
            raise UserError(
                f"{self._folder}: another driver took this search over while this one stood still"
            )

    def release(self) -> None:
        """Let another driver in."""
        self._lock.release()

    def _acquire(self, lock: BaseFileLock, wait: float) -> BaseFileLock:
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise UserError(
                f"{self._folder}: another search is running in this folder; wait for it, or use another --log-dir"
            ) from None
        return lock
