"""Putting an earlier search aside (``--fresh``): nothing is deleted."""

from __future__ import annotations

from pathlib import Path

from dh_project.lock import DriverLock
from dh_project.trial import SearchPaths


def set_aside(paths: SearchPaths) -> Path | None:
    """Move what a search left in its folder into ``earlier-1`` (or 2, …) beside it.

    The journal goes last: where this is interrupted, the search is still there to be set aside again.

    Returns:
        Where it went; None where there was nothing.

    Raises:
        UserError: A search is running there.
    """
    old = [path for path in (paths.trials, paths.results, paths.log, paths.journal) if path.exists()]
    if not old:
        return None
    lock = DriverLock(paths)
    try:
        number = 1
        while (target := paths.folder / f"earlier-{number}").exists():
            number += 1
        target.mkdir()
        for path in old:
            path.rename(target / path.name)
    finally:
        lock.release()
    return target
