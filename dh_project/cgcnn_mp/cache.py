"""The folder where what was computed once is kept, and files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock

from dh_project.cgcnn_mp.errors import DataError
from dh_project.files import replacing

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
        with replacing(path) as aside:
            write(aside)
    except OSError as error:
        raise _unwritable(path.parent, error) from None


def lock(path: Path) -> AcquireReturnProxy:
    """Wait until this process alone may write a file; use it in a ``with`` statement.

    Raises:
        DataError: The folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{path}.lock").acquire()
    except OSError as error:
        raise _unwritable(path.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> DataError:
    """Return the error for a cache folder that cannot be written to."""
    return DataError(f"cannot write to the cache folder {folder}: {error.strerror}; set {FOLDER_VARIABLE}")
