"""The lock of a search's folder, so that only one driver at a time writes there.

The operating system releases a ``flock`` when its owner ends. NFS and Lustre (mounted with ``flock``) enforce it
between nodes. On a file system without ``flock`` the driver keeps a lease: a file that it touches regularly. Another
driver takes the lease if it sees no touch for half a minute by its own clock. Dates are never compared.
"""

from __future__ import annotations

import logging

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from dh_project.common.errors import UserError
from dh_project.common.file_lock import WITHOUT_FLOCK
from dh_project.results.paths import SearchPaths

log = logging.getLogger("dh_project")

LEASE_SECONDS = 30.0
"""Time after its owner's last touch at which a lease can be taken."""


class DriverLock:
    """The lock, held from construction to :meth:`release`.

    Args:
        paths: The search's paths; the folder must exist.

    Raises:
        UserError: Another driver holds the lock.
        OSError: The folder cannot be written to.
    """

    def __init__(self, paths: SearchPaths) -> None:
        self._folder = paths.folder
        try:
            self._lock = self._acquire(FileLock(paths.lock, fallback_to_soft=False), wait=0.0)
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in WITHOUT_FLOCK:
                raise
            log.warning("%s: this file system has no flock; using a lease instead", paths.folder)
            self._lock = self._acquire(
                SoftFileLease(paths.lease, lease_duration=LEASE_SECONDS), wait=LEASE_SECONDS + 5
            )

    def check(self) -> None:
        """Check that no other driver has taken the lease while this process was stopped.

        Raises:
            UserError: Another driver has taken the lease.
        """
        if isinstance(self._lock, SoftFileLease) and self._lock.compromise is not None:
            raise UserError(
                f"{self._folder}: another driver took this search over while this one was stopped"
            )

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def _acquire(self, lock: BaseFileLock, wait: float) -> BaseFileLock:
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise UserError(
                f"{self._folder}: another search is running in this folder; wait for it, or use another --log-dir"
            ) from None
        return lock
