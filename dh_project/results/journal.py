"""The journal of a search: JSON lines that are appended and never rewritten. All other files are views of it.

One driver writes, under a lock (:mod:`dh_project.results.driver_lock`) that is released if the driver dies. Each
line ends with its own checksum. An interrupted write (process killed, disk full) can only damage the end of the file:
readers ignore a damaged last line, and the next writer removes it. Any other damage is an error.
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
"""Version of the record format. It is written into the records ``search`` and ``session``.

Version 2 added causes of failure and the state ``memory``. Older versions must stay readable
(``tests/samples/journals``); newer ones are refused.
"""

Record = dict[str, Any]

_CHECK = ',"crc32":"'


def encode(record: Record) -> bytes:
    r"""Return a record as a line of the journal, with the checksum as the last key.

    Raises:
        ValueError: A value is infinite or not a number.

    Example:
        >>> encode({"kind": "alive", "at": 1.5})
        b'{"kind":"alive","at":1.5,"crc32":"6d94d7ca"}\n'
    """
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return f'{text[:-1]}{_CHECK}{crc32(text.encode()):08x}"}}\n'.encode()


def decode(line: bytes) -> Record | None:
    """Return the record of a line, or None if the line is damaged or incomplete."""
    head, check, tail = line.rpartition(_CHECK.encode())
    if not check or len(tail) != 11 or not line.endswith(b'"}\n'):
        return None
    if f"{crc32(head + b'}'):08x}".encode() != tail[:8]:
        return None
    record: Record = json.loads(head + b"}")
    return record


def scan(path: Path) -> tuple[list[Record], int]:
    """Read a journal without locking it.

    Args:
        path: The journal. A missing file has no records.

    Returns:
        The records, and the length in bytes of the undamaged part.

    Raises:
        UserError: A line before the last one is damaged, or a newer version of this package wrote the journal.
    """
    records: list[Record] = []
    sound = 0
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        record = decode(line)
        if record is None:
            if number < len(lines):
                raise UserError(
                    f"{path}, line {number}: damaged in the middle, so not by an interrupted write; restore the "
                    f"file from a copy, or search in another folder with --log-dir"
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
    """A search's journal, open for its only writer.

    Args:
        paths: The search's paths; the folder must exist.

    Attributes:
        records: The records that the journal had when it was opened.

    Raises:
        UserError: Another driver has the journal open, it is damaged, or a newer version of this package wrote it.
        OSError: The journal cannot be read or written.
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
        """Add a record to the next :meth:`commit`."""
        self._pending.append(encode(record))

    def commit(self) -> None:
        """Write the added records to disk, in one append and one fsync.

        Raises:
            OSError: The records could not be written; none of them stays in the file.
            UserError: Another driver has taken over the search.
        """
        if not self._pending:
            return
        self._lock.check()
        self._file.append(b"".join(self._pending))
        self._pending.clear()

    def close(self) -> None:
        """Close the journal and release its lock. Records that were not committed are dropped."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
