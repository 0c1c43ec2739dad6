"""The lock of a search's folder, so that only one driver at a time writes there.

The operating system releases a ``flock`` when its owner ends. NFS and Lustre (mounted with ``flock``) enforce it
between nodes. Two files are locked: ``journal.lock``, and the journal itself in case the first one is removed.

On a file system without ``flock`` the driver keeps a lease: a file that it touches regularly. Another driver takes it
if it sees no touch for half a minute by its own clock. Dates are never compared. The lease has its owner's token. The
owner reads it before each commit, because it may have been stopped for longer than half a minute.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from dh_project.common.errors import UserError
from dh_project.common.file_lock import WITHOUT_FLOCK, lock_file
from dh_project.results.paths import SearchPaths

log = logging.getLogger("dh_project")

LEASE_SECONDS = 30.0
"""Time after its owner's last touch at which a lease can be taken."""

LOOK_AGAIN_SECONDS = (0.05, 0.2, 0.5)
"""Pauses between looks at a lease file that does not have the expected token."""


class DriverLock:
    """The lock, held from construction to :meth:`release`.

    It is used by the thread that made it.

    Args:
        paths: The search's paths; the folder must exist.

    Raises:
        UserError: Another driver holds the lock.
        OSError: The folder cannot be written to.
    """

    def __init__(self, paths: SearchPaths) -> None:
        self._paths = paths
        try:
            self._lock_folder()
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in WITHOUT_FLOCK:
                raise
            log.warning("%s: this file system has no flock; using a lease instead", paths.folder)
            lease = SoftFileLease(paths.lease, lease_duration=LEASE_SECONDS)
            self._lock = self._acquire(lease, wait=LEASE_SECONDS + 5)

    def lock_too(self, journal: int) -> None:
        """Lock the journal itself, so that a second driver is refused even if the lock file is removed.

        Args:
            journal: Descriptor of the open journal. Closing it releases this lock.

        Raises:
            UserError: Another driver holds this lock.
        """
        if not lock_file(journal):
            raise self._refusal()

    def check(self) -> None:
        """Check that this driver still has the lock.

        A lock file that was removed or replaced is made and locked again: the lock of the journal has kept other
        drivers out meanwhile.

        Raises:
            UserError: Another driver has the lock, because this one was stopped or the lock file was replaced.
        """
        if isinstance(self._lock, SoftFileLease):
            if self._has_lost(self._lock):
                raise UserError(
                    f"{self._paths.folder}: another driver took this search over while this one was stopped"
                )
        elif self._file != _identity(self._paths.lock):
            log.warning(
                "%s was removed or replaced while the search runs; locking it again", self._paths.lock
            )
            self._lock.release()
            self._lock_folder()

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def _lock_folder(self) -> None:
        self._lock = self._acquire(FileLock(self._paths.lock, fallback_to_soft=False), wait=0.0)
        self._file = _identity(self._paths.lock)

    def _acquire(self, lock: BaseFileLock, wait: float) -> BaseFileLock:
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise self._refusal() from None
        return lock

    def _refusal(self) -> UserError:
        return UserError(
            f"{self._paths.folder}: another search is running in this folder; wait for it, or use another --log-dir"
        )

    def _has_lost(self, lease: SoftFileLease) -> bool:
        """Return whether the lease file has the token of another driver.

        The heartbeat notices that too, but seconds after this process was stopped and continued. While another driver
        examines the lease file, the file is away for a moment. So a missing token is looked for again.
        """
        if lease.compromise is not None or lease.token is None:
            return True
        for pause in (*LOOK_AGAIN_SECONDS, None):
            with suppress(OSError):
                if f"token={lease.token}" in self._paths.lease.read_text().splitlines():
                    return False
            if pause:
                time.sleep(pause)
        return True


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None if there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
