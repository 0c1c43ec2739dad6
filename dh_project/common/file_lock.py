"""A lock between processes by ``flock``, which is left out on file systems that do not have it."""

from __future__ import annotations

import errno
import fcntl
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock

WITHOUT_FLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
"""Errors of file systems without ``flock``, or whose lock server cannot be reached."""


def file_lock(path: Path, wait: bool = True) -> AbstractContextManager[object]:
    """Acquire a lock for a ``with`` statement. On a file system without locks, there is no lock and no error.

    Args:
        path: The lock file, created if it does not exist.
        wait: Whether to wait until another holder releases the lock.

    Raises:
        Timeout: Another process holds the lock, and ``wait`` is False.
        OSError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, file_lock(Path(folder, "lock")):
        ...     print("locked")
        locked
    """
    try:
        return FileLock(path, fallback_to_soft=False).acquire(blocking=wait)
    except OSError as error:
        if error.errno in WITHOUT_FLOCK:
            return nullcontext()
        raise


def lock_file(descriptor: int) -> bool:
    """Lock an open file until it is closed, without waiting.

    Returns:
        Whether no other process holds the lock. On a file system without locks it is True.

    Raises:
        OSError: The file cannot be locked for another reason.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_FLOCK:
            raise
    return True
