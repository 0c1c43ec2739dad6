"""A compute node's own copy of a prepared file, on its scratch, so that its trials do not all read the shared one.

The first trial on a node makes the copy; on the driver's node the driver does. Trials that start meanwhile wait. The
copy is verified against the SHA-256 hash of the prepared file, which is kept beside that file as ``NAME.sha256``, in
the format of ``sha256sum``. Later trials only compare the size and the modification time of the copy.
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
"""Size of the blocks in which a file is copied, bytes."""


def record_digest(path: Path) -> None:
    """Write the hash of a prepared file beside it.

    Raises:
        DataError: The hash cannot be written, or the file cannot be read.
    """
    text = f"{file_digest(path)}  {path.name}\n"
    replace_file(_digest_of(path), lambda aside: aside.write_text(text, encoding="utf-8"))


def forget_digest(path: Path) -> None:
    """Remove the hash of a file that is about to be prepared again."""
    with suppress(OSError):
        _digest_of(path).unlink(missing_ok=True)


def find_copy(path: Path) -> Path | None:
    """Return this node's copy of a shared file, without reading that file; None if there is no valid copy."""
    folder = dh.scratch_folder()
    copy = folder / path.name if folder else None
    return copy if copy and _is_sound(copy) else None


def make_copy(path: Path) -> Path | None:
    """Return this node's copy of a shared file, and make it first if necessary.

    If a trial cannot make the copy, because scratch is full for example, it logs a warning and reads the shared file.

    Returns:
        The path of the copy; None if the node has no scratch, or the copy cannot be made.

    Raises:
        DataError: The shared file has changed since it was prepared; or the copy cannot be made before the first
            trial.
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
    """Copy a file and verify the copy.

    Raises:
        DataError: The file has changed since it was prepared.
        OSError: The copy cannot be written, or differs from the file.
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
            if hasattr(os, "posix_fadvise"):  # else the check would read memory, not the disk
                os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if read.hexdigest() != _recorded_digest(path, read.hexdigest()):
            raise DataError(f"{path} has changed since it was prepared: remove it, and begin again")
        if file_digest(aside) != read.hexdigest():
            raise OSError(
                None, "the copy differs from the file that was copied: is the disk in order?", str(copy)
            )
        facts = {**_seen(aside), "sha256": read.hexdigest()}
    dh.files.write_whole(_facts_of(copy), json.dumps(facts))


def _is_sound(copy: Path) -> bool:
    """Return whether a copy still has the size and the time at which it was verified."""
    try:
        facts = json.loads(_facts_of(copy).read_text(encoding="utf-8"))
        return isinstance(facts, dict) and facts.items() >= _seen(copy).items()
    except (OSError, ValueError):
        return False


def _seen(file: Path) -> dict[str, int]:
    status = file.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _recorded_digest(path: Path, default: str) -> str:
    """Return the hash that a file had when it was prepared; the default if it is not recorded."""
    try:
        return _digest_of(path).read_text(encoding="utf-8").split()[0]
    except (OSError, ValueError, IndexError):
        return default


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _facts_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.json")
