"""Node-local scratch: one user's folder in a place that is each node's own, fast, and gone with the job.

A node's own disk (``/local/scratch``), or its memory (often ``/tmp`` of a compute node): it may all be gone any time.
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

VARIABLE = "DH_PROJECT_SCRATCH"
"""In the environment of trials: where their node's scratch is."""

LEAST_ROOM = 2**18
"""Bytes: a scratch with less than that is full."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def own_folder(scratch: Path) -> Path:
    """Return this user's folder in a node's scratch, which nobody else can read; it is made where there is none.

    Raises:
        OSError: It cannot be made, or somebody else has made it.
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
    """Check that a folder in scratch has room.

    Args:
        folder: The folder.
        size: Bytes.
        what: What needs them, in words.

    Raises:
        OSError: It has less.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"{what} needs {_mebibytes(size)}, {_mebibytes(free)} are free; make room, or name another folder",
        )


def in_words(error: OSError) -> str:
    """Return why a scratch cannot be used."""
    if error.errno in FULL:
        return f"full: {error.strerror}"
    return f"cannot be used: {error.strerror}" + (f": {error.filename}" if error.filename else "")


def checked_scratch(scratch: Path, search: Path) -> Path:
    """Return a scratch as the trials of a search can use it on this node.

    Args:
        scratch: Where it is.
        search: The search's folder.

    Raises:
        UserError: It is no folder that can be written to, is full, or a part of the search.
    """
    place = checked_place(scratch, search)
    try:
        folder = own_folder(place)
        require_room(folder, LEAST_ROOM, "a trial")
        with tempfile.TemporaryFile(dir=folder) as file:  # a quota is not seen but by writing
            file.write(bytes(LEAST_ROOM))
    except OSError as error:
        raise UserError(f"--scratch {scratch}: {in_words(error)}") from None
    return place


def checked_place(scratch: Path, search: Path) -> Path:
    """Return the absolute path of a scratch that may be another node's, and which is not looked at.

    Raises:
        UserError: It is a part of the search.
    """
    place = Path(os.path.abspath(scratch.expanduser()))  # noqa: PTH100 (links may be another node's)
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
    """Let ``scratch_folder()`` find a scratch outside of a trial, too; an empty one changes nothing."""
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
