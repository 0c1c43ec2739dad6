"""The folder where what was computed once is kept, and files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError

FOLDER_VARIABLE = "DH_PROJECT_CACHE"


def default_cache_folder() -> Path:
    """Return ``$DH_PROJECT_CACHE``, else ``dh_project`` in the user's cache folder (XDG)."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dh_project"


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` write a file, and put it in the place of ``path`` once it is whole and on the disk.

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
    """Wait until this process alone may write a file; use it in a ``with`` statement.

    A file system without locks is no hindrance: several processes may then write the file, each of them whole.

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
