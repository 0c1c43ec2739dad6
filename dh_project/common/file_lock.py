"""A lock on a file by ``flock``; a file system without it is no hindrance."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock

WITHOUT_FLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
"""What a file system answers that does not know ``flock``, or cannot reach its lock server."""


def file_lock(path: Path, wait: bool = True) -> AbstractContextManager[object]:
    """Take a lock for a ``with`` statement; a file system that knows none is no hindrance.

    Args:
        path: The lock's file.
        wait: Whether to wait for a holder to let it go.

    Raises:
        Timeout: Another holds it, and it is not waited for.
        OSError: The file cannot be written.
    """
    try:
        return FileLock(path, fallback_to_soft=False).acquire(blocking=wait)
    except OSError as error:
        if error.errno in WITHOUT_FLOCK:
            return nullcontext()
        raise
