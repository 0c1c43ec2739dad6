"""Moves an earlier search out of the way (``--fresh``). Nothing is deleted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from dh_project.results.driver_lock import DriverLock
from dh_project.results.paths import SearchPaths


def set_aside(paths: SearchPaths) -> Path | None:
    """Move the files of a search into the subfolder ``earlier-1`` (or 2, ...) of its folder.

    Until all files are moved, the name of the subfolder ends in ``.part``. If the move is interrupted, the next call
    completes it.

    Returns:
        The subfolder; None if there was nothing to move.

    Raises:
        UserError: A search is running in the folder.
    """
    old = [path for path in (paths.trials, paths.results, paths.log, paths.journal) if path.exists()]
    part = unfinished(paths)
    if not old and part is None:
        return None
    lock, files = DriverLock(paths), ExitStack()
    try:
        if paths.journal.is_file():
            lock.lock_too(files.enter_context(paths.journal.open("rb+")).fileno())
        part = part or _next_part(paths)
        part.mkdir(exist_ok=True)
        for path in old:
            path.rename(part / path.name)
        return part.rename(part.with_suffix(""))
    finally:
        files.close()
        lock.release()


def unfinished(paths: SearchPaths) -> Path | None:
    """Return the subfolder of an interrupted :func:`set_aside`; None if there is none."""
    parts = sorted(paths.folder.glob("earlier-*.part"))
    return next((part for part in parts if any(part.iterdir())), None)


def _next_part(paths: SearchPaths) -> Path:
    number = 1
    while (target := paths.folder / f"earlier-{number}").exists():
        number += 1
    return target.with_suffix(".part")
