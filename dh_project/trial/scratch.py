"""Node-local scratch: one user's folder in storage that belongs to a single node, is fast, and is lost with the job.

It is a disk of the node (``/local/scratch``) or its memory (often ``/tmp`` of a compute node). Its files may vanish
at any time.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.common.files import at_home

VARIABLE = "DH_PROJECT_SCRATCH"
"""Environment variable of trials: path of the scratch of their node."""

LEAST_ROOM = 2**18
"""A scratch with fewer free bytes counts as full."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def own_folder(scratch: Path) -> Path:
    """Return this user's private folder in a node's scratch; it is created if it does not exist.

    Raises:
        OSError: If it cannot be created, or belongs to somebody else.
    """
    folder = scratch / f"dh_project-{os.getuid()}"
    scratch.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():  # in /tmp, anybody can make it
        raise PermissionError(errno.EPERM, "it is another user's, or no folder", str(folder))
    return folder


def require_room(folder: Path, size: int, what: str) -> None:
    """Check that the file system of a folder has room.

    Args:
        folder: The folder.
        size: Bytes that are needed.
        what: Name of the thing that needs them, for the message.

    Raises:
        OSError: If fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"{what} needs {_mebibytes(size)}, {_mebibytes(free)} are free; make room, or name another folder",
        )


def in_words(error: OSError) -> str:
    """Return in words why a scratch cannot be used."""
    if error.errno in FULL:
        return f"full: {error.strerror}"
    return f"cannot be used: {error.strerror}" + (f": {error.filename}" if error.filename else "")


def checked_scratch(scratch: Path, search: Path) -> Path:
    """Return the absolute path of a scratch that trials can use on this node.

    Args:
        scratch: Path of the scratch.
        search: Folder of the search.

    Raises:
        UserError: If it is no folder that can be written to, is full, or is a part of the search.
    """
    place = checked_place(scratch, search)
    try:
        folder = own_folder(place)
        require_room(folder, LEAST_ROOM, "a trial")
        with tempfile.TemporaryFile(dir=folder) as file:  # only a write shows a quota
            file.write(bytes(LEAST_ROOM))
    except OSError as error:
        raise UserError(f"--scratch {scratch}: {in_words(error)}") from None
    return place


def checked_place(scratch: Path, search: Path) -> Path:
    """Return the absolute path of a scratch that may exist only on another node.

    Raises:
        UserError: If it is a part of the search, or a file.
    """
    place = Path(os.path.abspath(at_home(scratch)))  # noqa: PTH100 (links may be another node's)
    if place.resolve().is_relative_to(search.resolve()):
        raise UserError(
            f"--scratch {scratch}: it lies in --log-dir {search}, and what is in scratch may be gone any time; "
            "name a folder on the node's own disk, such as /tmp"
        )
    if place.exists() and not place.is_dir():
        raise UserError(f"--scratch {scratch}: this is a file; name a folder on the node's own disk")
    return place


@contextmanager
def offered(scratch: str) -> Iterator[None]:
    """Let ``scratch_folder()`` return a folder in this scratch also outside a trial, unless it is empty."""
    before = os.environ.get(VARIABLE)
    if scratch:
        os.environ[VARIABLE] = scratch
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.2f} MiB"
