"""The only writer of a search's journal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from dh_project.common.errors import UserError
from dh_project.common.files import sync_folder
from dh_project.common.json_lines import AppendedFile
from dh_project.results.driver_lock import DriverLock
from dh_project.results.journal import JournalReader, Record, encode
from dh_project.results.paths import SearchPaths

log = logging.getLogger("dh_project")


class Journal:
    """A search's journal, open for its only writer.

    Args:
        paths: The search's paths; the folder must exist.
        take: Receives the records of the journal that the reader has not read yet, in batches.
        reader: A reader that has read the journal; None reads it from its beginning.

    Attributes:
        cut: Bytes of an interrupted write that were removed from the end of the file.

    Raises:
        UserError: Another driver has the journal open, it is damaged, or a newer version of this package wrote it.
        OSError: The journal cannot be read or written.
    """

    def __init__(
        self,
        paths: SearchPaths,
        take: Callable[[list[Record]], object] = lambda records: None,
        reader: JournalReader | None = None,
    ) -> None:
        self.path, self._paths = paths.journal, paths
        self._pending: list[bytes] = []
        with ExitStack() as undo:
            self._lock = DriverLock(paths)
            undo.callback(self._lock.release)
            self._file = AppendedFile(self.path)
            undo.callback(self._file.close)
            self._lock.lock_too(self._file.descriptor)
            reader = reader or JournalReader(self.path)
            for records in reader.new():
                take(records)
            self._place = reader.place
            self.cut = self._file.cut(self._place.size)
            sync_folder(paths.folder)
            undo.pop_all()
        if self.cut:
            log.warning("%s: removed %d bytes of an interrupted write from its end", self.path, self.cut)

    def append(self, record: Record) -> None:
        """Add a record to the next :meth:`commit`."""
        self._pending.append(encode(record))

    def commit(self) -> None:
        """Write the added records to disk, in one append and one fsync.

        Raises:
            OSError: The records could not be written; none of them stays in the file.
            UserError: Another driver has taken over the search, or the file was removed, replaced or changed.
        """
        if not self._pending:
            return
        self._lock.check()
        self._check_file()
        commit, place = self._place.commit(self._pending)
        self._file.append(commit)
        self._place = place
        self._pending.clear()

    def close(self) -> None:
        """Close the journal and release its lock. Records that were not committed are dropped."""
        self._file.close()
        self._lock.release()

    def _check_file(self) -> None:
        """Check that the open file is the one at the path, as the last commit left it."""
        what = self._file.change(self._place.size)
        if what is None:
            return
        saved = self._paths.saved_journal
        advice = "the search stops; start it again in a folder that no other program changes"
        if self._file.is_unlinked and self._paths.folder.is_dir():
            self._file.copy_to(saved)
            advice = f"the search stops; its records are in {saved}: rename it to {self.path.name} to go on"
        raise UserError(f"{self.path} {what} while the search was running; {advice}")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
