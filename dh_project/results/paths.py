"""The paths of the files in a search's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from dh_project.trial.attempt import LOG, OLD_RESULT, RESULT


@dataclass(frozen=True)
class SearchPaths:
    """The paths of a search. No other code builds these file names.

    Attributes:
        folder: The folder of the search (``--log-dir``).

    Example:
        >>> SearchPaths(Path("search")).trial(7, attempt=1).as_posix()
        'search/trials/0007/attempt-1'
    """

    folder: Path

    @property
    def journal(self) -> Path:
        """The journal: one JSON line per event."""
        return self.folder / "journal.jsonl"

    @property
    def saved_journal(self) -> Path:
        """A copy of a journal that was removed while its search was running."""
        return self.folder / "journal.saved.jsonl"

    @property
    def lock(self) -> Path:
        """The lock file of the only driver that may write."""
        return self.folder / "journal.lock"

    @property
    def lease(self) -> Path:
        """The lock file on a file system without ``flock``."""
        return self.folder / "journal.lease"

    @property
    def results(self) -> Path:
        """The table of ended trials, a view of the journal."""
        return self.folder / "results.csv"

    @property
    def log(self) -> Path:
        """The log of the driver."""
        return self.folder / "deephyper.log"

    @property
    def trials(self) -> Path:
        """The folder with the folders of all trials."""
        return self.folder / "trials"

    @property
    def workers(self) -> Path:
        """The folder with a note of each worker that runs, which is gone when all have ended."""
        return self.folder / ".workers"

    def trial(self, trial: int, attempt: int) -> Path:
        """The folder of one attempt of a trial."""
        return self.trials / f"{trial:04d}" / f"attempt-{attempt}"

    def previous(self, trial: int, attempt: int) -> list[Path]:
        """The folders of earlier attempts in which the run function left files, the latest first."""
        folders = [self.trial(trial, earlier) for earlier in range(attempt - 1, 0, -1)]
        return [folder for folder in folders if _has_files(folder)]


def _has_files(folder: Path) -> bool:
    """Return whether the run function left files in a folder; one that cannot be read has none to resume from."""
    try:
        return any(map(_is_left, folder.iterdir()))
    except OSError:
        return False


def _is_left(path: Path) -> bool:
    """Return whether a file is the run function's. Files that begin with a dot are remains of killed writers."""
    if path.name in (LOG, RESULT) or path.name.startswith("."):
        return False
    return path.name != OLD_RESULT or not _is_of_a_worker(path)


def _is_of_a_worker(path: Path) -> bool:
    """Return whether a worker of an earlier version wrote a file."""
    try:
        return {"trial", "attempt", "point", "state"} <= json.loads(path.read_text()).keys()
    except (OSError, ValueError, AttributeError):
        return False
