"""The earlier sessions of a search: its history, and the decisions of the stopper."""

from __future__ import annotations

from dh_project.common.errors import UserError
from dh_project.hps.decisions import Decisions
from dh_project.hps.stoppers.base import Stopper
from dh_project.results.archive import unfinished
from dh_project.results.history import Replay
from dh_project.results.journal import Record
from dh_project.results.paths import SearchPaths


class EarlierSessions(Replay):
    """Reads the journal of a search and tells the stopper what it holds.

    Args:
        paths: The search's paths. A missing journal has no records.
        stopper: The stopper; None for no stopper.

    Attributes:
        decisions: The decisions of the stopper.
    """

    def __init__(self, paths: SearchPaths, stopper: Stopper | None = None) -> None:
        super().__init__(paths)
        self.decisions = Decisions(stopper)

    def take(self, records: list[Record]) -> None:
        """Apply a batch of records, and tell the stopper of each before the next one is applied."""
        if self.decisions.stopper is None:
            super().take(records)
            return
        for record in records:
            super().take([record])
            self.decisions.hear(record, self.history)


def earlier_sessions(
    paths: SearchPaths, fresh: bool = False, stopper: Stopper | None = None
) -> EarlierSessions:
    """Read the earlier sessions in a folder. There are none for a fresh start.

    Raises:
        UserError: The folder is a file or a broken link, its journal is damaged, or a fresh start was interrupted.
    """
    if paths.folder.is_symlink() and not paths.folder.exists():
        raise UserError(
            f"--log-dir {paths.folder}: a link to a missing folder; make its target, or name another folder"
        )
    if paths.folder.exists() and not paths.folder.is_dir():
        raise UserError(f"--log-dir {paths.folder}: this is a file; name a folder")
    earlier = EarlierSessions(paths, stopper)
    if fresh:
        return earlier
    if (part := unfinished(paths)) is not None:
        raise UserError(
            f"{part}: --fresh was interrupted here; give --fresh again, or move the files in it back"
        )
    earlier.read()
    return earlier
