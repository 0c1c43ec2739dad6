"""Every path of a search's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dh_project.trial.attempt import LOG, RESULT


@dataclass(frozen=True)
class SearchPaths:
    """Every path of a search; nothing else builds file names."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The truth: one JSON line an event."""
        return self.folder / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one driver that may write."""
        return self.folder / "journal.lock"

    @property
    def lease(self) -> Path:
        """The lock where the file system has no ``flock``."""
        return self.folder / "journal.lease"

    @property
    def results(self) -> Path:
        """A view of the journal: one row an ended trial."""
        return self.folder / "results.csv"

    @property
    def log(self) -> Path:
        """What the driver says, by time."""
        return self.folder / "deephyper.log"

    @property
    def trials(self) -> Path:
        """The folders of all trials."""
        return self.folder / "trials"

    def trial(self, trial: int, attempt: int) -> Path:
        """The folder of one attempt at a trial."""
        return self.trials / f"{trial:04d}" / f"attempt-{attempt}"

    def previous(self, trial: int, attempt: int) -> list[Path]:
        """The folders of the attempts before this one that left more than a worker leaves, the latest first."""
        folders = [self.trial(trial, earlier) for earlier in range(attempt - 1, 0, -1)]
        return [folder for folder in folders if folder.is_dir() and any(map(_is_left, folder.iterdir()))]


def _is_left(path: Path) -> bool:
    """Say whether a run function left a file; one with a dot is what a killed writer did not come to rename."""
    return path.name not in (LOG, RESULT) and not path.name.startswith(".")
