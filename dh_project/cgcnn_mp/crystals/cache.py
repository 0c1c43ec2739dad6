"""The cache folder, in which tables and graphs that were computed once are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError

FOLDER_VARIABLE = "DH_PROJECT_CACHE"


def default_cache_folder() -> Path:
    """Return ``$DH_PROJECT_CACHE``, or ``dh_project`` in the user's cache folder (XDG) if that is not set."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return dh.files.at_home(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dh_project"


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file in one step, after its new content is complete and on disk.

    Args:
        path: The file. Its folder is created if necessary.
        write: Writes the content to the path that it is given.

    Raises:
        DataError: The folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with dh.files.replacing(path) as aside:
            write(aside)
    except OSError as error:
        raise unwritable(path.parent, error) from None


def lock(path: Path) -> AbstractContextManager[object]:
    """Return a lock on a file, for a ``with`` statement.

    If the file system has no locks, several processes may write the file at once. Each of them replaces it as a
    whole, so it stays valid.

    Raises:
        DataError: The folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return dh.file_lock(path.with_name(f"{path.name}.lock"))
    except OSError as error:
        raise unwritable(path.parent, error) from None


def unwritable(folder: Path, error: OSError) -> DataError:
    """Return the error for a cache folder that cannot be written to."""
    return DataError(f"cannot write to the cache folder {folder}: {error.strerror}; set {FOLDER_VARIABLE}")
