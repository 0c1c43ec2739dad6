"""Putting an earlier search aside (``--fresh``): nothing is deleted."""

from __future__ import annotations

from pathlib import Path

from dh_project.results.driver_lock import DriverLock
from dh_project.results.paths import SearchPaths


def set_aside(paths: SearchPaths) -> Path | None:
    """Move what a search left in its folder into ``earlier-1`` (or 2, …) there.

    Until all is there the folder's name ends in ``.part``; where this is interrupted, it goes on the next time.

    Returns:
        Where it went; None where there was nothing.

    Raises:
        UserError: A search is running there.
    """
    old = [path for path in (paths.trials, paths.results, paths.log, paths.journal) if path.exists()]
    part = unfinished(paths)
    if not old and part is None:
        return None
    lock = DriverLock(paths)
    try:
        part = part or _next_part(paths)
        part.mkdir(exist_ok=True)
        for path in old:
            path.rename(part / path.name)
        return part.rename(part.with_suffix(""))
    finally:
        lock.release()


def unfinished(paths: SearchPaths) -> Path | None:
    """Return the folder of a ``set_aside`` that was interrupted, if there is one."""
    parts = sorted(paths.folder.glob("earlier-*.part"))
    return next((part for part in parts if any(part.iterdir())), None)


def _next_part(paths: SearchPaths) -> Path:
    number = 1
    while (target := paths.folder / f"earlier-{number}").exists():
        number += 1
    return target.with_suffix(".part")
