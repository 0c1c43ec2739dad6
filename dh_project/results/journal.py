"""The journal: the truth of a search on disk, one JSON line a record, appended and never rewritten.

One driver writes, under a lock (:mod:`dh_project.lock`) that its death frees. Each line ends in a
checksum of itself. A write that was torn (killed, disk full) can only leave a damaged tail: readers leave that
out, the next writer cuts it off. Anything else that does not check is damage from outside, and is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any
from zlib import crc32

from dh_project.common.errors import UserError
from dh_project.common.files import sync_folder
from dh_project.common.json_lines import AppendedFile, read_lines
from dh_project.results.driver_lock import DriverLock
from dh_project.results.paths import SearchPaths

SCHEMA = 2
"""Version of the records, in those that begin a search and a session: 2 knows causes of failure and the state
``memory``. Older ones must stay readable (``tests/samples/journals``); newer ones are refused."""

Record = dict[str, Any]

_CHECK = ',"crc32":"'


def encode(record: Record) -> bytes:
    """Return a record as its line, with the checksum as the last key."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return f'{text[:-1]}{_CHECK}{crc32(text.encode()):08x}"}}\n'.encode()


def decode(line: bytes) -> Record | None:
    """Return the record of a line, or None where the line is damaged."""
    head, check, tail = line.rpartition(_CHECK.encode())
    if not check or len(tail) != 11 or not line.endswith(b'"}\n'):
        return None
    if f"{crc32(head + b'}'):08x}".encode() != tail[:8]:
        return None
    record: Record = json.loads(head + b"}")
    return record


def scan(path: Path) -> tuple[list[Record], int]:
    """Read a journal without locking it.

    Returns:
        The records, and the length in bytes of the sound part (the file's, unless its tail is torn).

    Raises:
        UserError: A line in the middle is damaged, or a newer version of this package wrote it.
    """
    records: list[Record] = []
    sound = 0
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        record = decode(line)
        if record is None:
            if number < len(lines):
                raise UserError(
                    f"{path}, line {number}: damaged in the middle, so not by a torn write; restore the file from "
                    f"a copy, or search in another folder with --log-dir"
                )
            break
        if record.get("schema", 0) > SCHEMA:
            raise UserError(
                f"{path}: written by a newer dh_project (schema {record['schema']}, this one reads up to {SCHEMA}); "
                f"upgrade dh_project"
            )
        records.append(record)
        sound += len(line)
    return records, sound


class Journal:
    """A search's journal, open for its one writer.

    Args:
        paths: The search's paths; the folder must exist.

    Attributes:
        records: What the journal held when it was opened.

    Raises:
        UserError: Another driver holds it, it is damaged, or a newer version of this package wrote it.
        OSError: It cannot be read or written.
    """

    def __init__(self, paths: SearchPaths) -> None:
        self.path = paths.journal
        self._pending: list[bytes] = []
        self._lock = DriverLock(paths)
        try:
            self.records, sound = scan(self.path)
            self._file = AppendedFile(self.path, sound)
            sync_folder(paths.folder)
        except BaseException:
            self._lock.release()
            raise

    def append(self, record: Record) -> None:
        """Take a record; it is on disk after the next :meth:`commit`."""
        self._pending.append(encode(record))

    def commit(self) -> None:
        """Write what was taken, in one append and one fsync.

        Raises:
            OSError: It could not be written; nothing of it stays in the file.
            UserError: Another driver has taken over.
        """
        if not self._pending:
            return
        self._lock.check()
        self._file.append(b"".join(self._pending))
        self._pending.clear()

    def close(self) -> None:
        """Free the journal for another writer. What was not committed is dropped."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
