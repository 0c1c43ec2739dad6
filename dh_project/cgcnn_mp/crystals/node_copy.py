"""A node's own copy of a prepared file, in its scratch, so that its trials do not all read the shared file system.

It is made by the first trial that comes, or by the driver on its own node; those that come meanwhile wait. The hash
of what is read back from it is that of the file when it was made, which stands beside that: ``NAME.sha256``, as the
command ``sha256sum`` has it. Those that come later look at its size and time alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from contextlib import suppress
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import replace_file
from dh_project.cgcnn_mp.crystals.sources import file_digest

logger = logging.getLogger(__name__)

PIECE = 2**22
"""Bytes that are copied at a time."""


def record_digest(path: Path) -> None:
    """Write the hash of a file that was just made beside it.

    Raises:
        DataError: It cannot be written, or the file not read.
    """
    text = f"{file_digest(path)}  {path.name}\n"
    replace_file(_digest_of(path), lambda aside: aside.write_text(text, encoding="utf-8"))


def forget_digest(path: Path) -> None:
    """Take away the hash of a file that is about to be made anew."""
    with suppress(OSError):
        _digest_of(path).unlink(missing_ok=True)


def find_copy(path: Path) -> Path | None:
    """Return this node's copy of a shared file, which is not looked at; None where there is no sound one."""
    folder = dh.scratch_folder()
    copy = folder / path.name if folder else None
    return copy if copy and _is_sound(copy) else None


def make_copy(path: Path) -> Path | None:
    """Return this node's copy of a shared file, which is made where there is no sound one; None without scratch.

    A trial goes on without where none can be made, for instance since scratch is full: that is a line in its log.

    Raises:
        DataError: The file is not what it was when it was made; or, before any trial, none can be made.
    """
    folder = dh.scratch_folder()
    if folder is None:
        return None
    copy = folder / path.name
    try:
        with dh.file_lock(copy.with_name(f"{copy.name}.lock")):
            if not _is_sound(copy):
                _copy(path, copy)
    except OSError as error:
        said = f"--scratch {os.environ[dh.scratch.VARIABLE]}: {dh.scratch.in_words(error)}"
        if dh.trial_folder() is None:
            raise DataError(said) from None
        logger.warning("%s; this trial reads %s", said, path)
        return None
    return copy


def _copy(path: Path, copy: Path) -> None:
    """Copy a file and read the copy back.

    Raises:
        DataError: The file is not what it was.
        OSError: The copy cannot be made, or is not what was written.
    """
    dh.scratch.require_room(
        copy.parent, path.stat().st_size, f"the prepared file {path.name[:12]}… of the data set"
    )
    read = hashlib.sha256()
    with dh.files.replacing(copy) as aside:
        with path.open("rb") as source, aside.open("wb") as target:
            while piece := source.read(PIECE):
                read.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
            if hasattr(os, "posix_fadvise"):  # else memory would be read back, and not the disk
                os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if read.hexdigest() != _recorded_digest(path, read.hexdigest()):
            raise DataError(f"{path} is not what it was when it was made: remove it, and begin again")
        if file_digest(aside) != read.hexdigest():
            raise OSError(None, "what is read back is not what was written: is its disk in order?", str(copy))
        facts = {**_seen(aside), "sha256": read.hexdigest()}
    dh.files.write_whole(_facts_of(copy), json.dumps(facts))


def _is_sound(copy: Path) -> bool:
    """Say whether a copy is the one whose content was verified."""
    try:
        facts = json.loads(_facts_of(copy).read_text(encoding="utf-8"))
        return isinstance(facts, dict) and facts.items() >= _seen(copy).items()
    except (OSError, ValueError):
        return False


def _seen(file: Path) -> dict[str, int]:
    status = file.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _recorded_digest(path: Path, default: str) -> str:
    """Return the hash that a file had when it was made; the default where none is known."""
    try:
        return _digest_of(path).read_text(encoding="utf-8").split()[0]
    except (OSError, ValueError, IndexError):
        return default


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _facts_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.json")
