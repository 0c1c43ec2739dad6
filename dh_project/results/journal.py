r"""The journal of a search: JSON lines that are appended and never rewritten. All other files are views of it.

**Lines.** Each line is a record (:mod:`dh_project.results.records`): a JSON object that begins with its ``kind``.
The number of a record is the number of its line, from 1.

**Commits.** Records are written in commits: one append and one fsync for each turn of the search loop. The last
record of a commit ends with two more keys::

    {"kind":"end","at":7.5,"trial":3,...,"commit":17,"crc32":"6d94d7ca"}

``commit`` is the number of the first record of the commit. ``crc32`` is the checksum of all bytes of the file before
this key. So each checksum also covers all earlier commits: if a record is missing, doubled, swapped or changed, the
checksums of all later commits are wrong.

**Torn writes.** A killed process or a full disk leaves the beginning of the last commit. A crash of the machine may
also leave pages of zeros in it. Readers ignore such a torn commit, and the next writer removes it and says how many
bytes it had. Any other damage is refused with the number of a line.

**One writer.** One driver writes (:mod:`dh_project.results.journal_writer`). Readers never lock.

**Earlier versions.** In a journal of schema 1 or 2 each line ends with ``"crc32"``, the checksum of that line alone.
This version appends commits to it. Their checksums also cover the old lines.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import orjson

from dh_project.common.errors import UserError

SCHEMA = 3
"""Version of the record format. It is written into the records ``search`` and ``session``.

Version 2 added causes of failure and the state ``memory``. Version 3 added commits, and what later versions of this
package write: parked trials, the parent of a trial, several objectives, failures that are retried. Older versions
stay readable (``tests/samples/journals``); newer ones are refused.
"""

Record = dict[str, Any]

_MARK = re.compile(rb',"commit":(\d+),"crc32":"([0-9a-f]{8})"\}\n')
"""The end of a commit. It cannot occur in a value, because JSON escapes the quotes and line ends of texts."""

_OLD_LINE = re.compile(rb'(\{.*),"crc32":"([0-9a-f]{8})"\}\n')
"""A line of schema 1 or 2."""

_TRIAL = re.compile(rb'\{"kind":"\w+","at":[^,]+,"trial":(\d+)\b')
"""The beginning of a record of a trial."""

_HEAD, _REPORT = b'{"kind":"', b'{"kind":"report",'

BLOCK = 2**20
"""Bytes that are read at once."""

PAGE = 512
"""Pages of zeros after a crash of the machine begin and end at multiples of this number of bytes."""


_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode(record: Record) -> bytes:
    r"""Return a record as a line of the journal, without the keys that end a commit.

    Raises:
        ValueError: A value is infinite or not a number.

    Example:
        >>> encode({"kind": "alive", "at": 1.5})
        b'{"kind":"alive","at":1.5}\n'
    """
    return _encoder.encode(record).encode() + b"\n"


@dataclass(frozen=True)
class Place:
    """A place between two commits of a journal.

    Attributes:
        size: Number of bytes before it.
        lines: Number of lines before it.
        checksum: CRC-32 of the bytes before it.
    """

    size: int = 0
    lines: int = 0
    checksum: int = 0

    def commit(self, lines: Sequence[bytes]) -> tuple[bytes, Place]:
        """Return a commit of encoded records at this place, and the place after it."""
        content = b"".join(lines)[: -len(b"}\n")]
        checksum = crc32(content, self.checksum)
        mark = f',"commit":{self.lines + 1},"crc32":"{checksum:08x}"}}\n'.encode()
        return content + mark, self.after(len(content) + len(mark), len(lines), crc32(mark, checksum))

    def after(self, size: int, lines: int, checksum: int) -> Place:
        """Return the place after more bytes and lines."""
        return Place(self.size + size, self.lines + lines, checksum)


def encode_commits(*commits: Iterable[Record]) -> bytes:
    r"""Return the content of a journal that has these commits.

    Example:
        >>> encode_commits([{"kind": "alive", "at": 1.5}, {"kind": "alive", "at": 2.5}])
        b'{"kind":"alive","at":1.5}\n{"kind":"alive","at":2.5,"commit":1,"crc32":"..."}\n'
    """
    place, content = Place(), []
    for records in commits:
        data, place = place.commit([encode(record) for record in records])
        content.append(data)
    return b"".join(content)


def scan(path: Path) -> tuple[list[Record], int]:
    """Read a whole journal into memory, without locking it.

    Args:
        path: The journal. A missing file has no records.

    Returns:
        The records, and the length in bytes of the commits.

    Raises:
        UserError: The journal is damaged, or a newer version of this package wrote it.
    """
    reader = JournalReader(path)
    records = [record for batch in reader.new() for record in batch]
    for record in records:
        if "crc32" in record:
            del record["commit"], record["crc32"]
    return records, reader.place.size


class JournalReader:
    """Reads a journal that may grow, each record once, in one pass and in blocks.

    The memory that it takes does not depend on the length of the journal. Of a block it checks the last commit only,
    because that checksum covers all bytes before it.

    Args:
        path: The journal. A missing file has no records.
        with_reports: Whether to return the records of kind ``report``, which are most of a large journal.
        trials: Ids of the trials whose records to return; None for all. Records of no trial are always returned.

    Attributes:
        place: The end of the commits that have been read.
    """

    def __init__(self, path: Path, with_reports: bool = True, trials: Container[int] | None = None) -> None:
        self._path, self._with_reports, self._trials = path, with_reports, trials
        self.place = Place()
        self._file: os.stat_result | None = None

    def new(self) -> Iterator[list[Record]]:
        """Return the records of the commits since the last call, in batches: one record, or any number of reports.

        The last record of a commit still has the keys ``commit`` and ``crc32``.

        Raises:
            UserError: The journal is damaged or was replaced, or a newer version of this package wrote it.
            OSError: The journal cannot be read.
        """
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            self._check_same(file)
            file.seek(self.place.size)
            if not self.place.size:
                yield from self._old_records(file)
            for block in self._blocks(file):
                yield from self._batches(block)

    def _check_same(self, file: BinaryIO) -> None:
        """Check that the file is the one that was read before, and has not become shorter."""
        now = os.fstat(file.fileno())
        if now.st_size < self.place.size or (self._file and not os.path.samestat(now, self._file)):
            raise UserError(
                f"{self._path}: it was replaced or cut while it was read; give the command again to read the new one"
            )
        self._file = now

    def _old_records(self, file: BinaryIO) -> Iterator[list[Record]]:
        """Return the records of the lines of schema 1 and 2 at the beginning of the file."""
        for line in file:
            match = _OLD_LINE.fullmatch(line)
            if match is None or f"{crc32(match[1] + b'}'):08x}".encode() != match[2]:
                break
            if self._wanted([line]) and (self._with_reports or not line.startswith(_REPORT)):
                yield [self._checked(json.loads(match[1] + b"}"))]
            self.place = self.place.after(len(line), 1, crc32(line, self.place.checksum))
        file.seek(self.place.size)

    def _blocks(self, file: BinaryIO) -> Iterator[bytes]:
        """Return the commits of the rest of the file, many at once."""
        rest, length = b"", BLOCK
        while chunk := file.read(length):
            rest += chunk
            mark = _last_mark(rest)
            if mark is None:  # of a large commit, read more, so that the time stays linear
                length = len(rest)
                continue
            block, rest, length = rest[: mark.end()], rest[mark.end() :], BLOCK
            checksum = crc32(memoryview(block)[: mark.start()], self.place.checksum)
            if int(mark[2], 16) != checksum:
                sound, wrong = self._first_wrong(block)
                yield block[:sound]
                is_last = wrong.end() == len(block) and not rest and not file.read(1)
                self._check_torn(block[sound : wrong.end()], wrong, is_last)
                return
            self.place = self.place.after(len(block), block.count(b"\n"), crc32(mark[0], checksum))
            yield block
        self._check_torn(rest)

    def _first_wrong(self, block: bytes) -> tuple[int, re.Match[bytes]]:
        """Go to the first wrong commit of a block that has one; return where it begins, and its mark."""
        begin = 0
        for mark in _MARK.finditer(block):
            checksum = crc32(block[begin : mark.start()], self.place.checksum)
            if int(mark[2], 16) != checksum:
                break
            lines = block.count(b"\n", begin, mark.end())
            self.place = self.place.after(mark.end() - begin, lines, crc32(mark[0], checksum))
            begin = mark.end()
        return begin, mark

    def _batches(self, block: bytes) -> Iterator[list[Record]]:
        """Return the records of whole commits: reports together, others one by one."""
        lines = block.split(b"\n")
        first = 0
        others = [number for number, line in enumerate(lines) if not line.startswith(_REPORT)]
        for number in others:  # the last one is the empty rest after the last line
            if self._with_reports and (reports := self._wanted(lines[first:number])):
                # orjson is for reports alone, because it changes very large integers
                yield orjson.loads(b"[" + b",".join(reports) + b"]")
            if lines[number] and self._wanted([lines[number]]):
                yield [self._checked(json.loads(lines[number]))]
            first = number + 1

    def _wanted(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines of the trials to return, and of no trial."""
        if self._trials is None:
            return lines
        matches = ((line, _TRIAL.match(line)) for line in lines)
        return [line for line, match in matches if match is None or int(match[1]) in self._trials]

    def _check_torn(self, tail: bytes, mark: re.Match[bytes] | None = None, is_last: bool = True) -> None:
        """Check that an interrupted write may have left the bytes after the last sound commit.

        Args:
            tail: The bytes.
            mark: The end of a commit, if they are a whole commit.
            is_last: Whether the file ends with them.

        Raises:
            UserError: They are damaged in another way.
        """
        following = self.place.lines + 1
        number = int(mark[1]) if mark else following
        if is_last and number == following and _has_lost_pages(tail, self.place.size):
            return
        if number < following:
            raise self._damage(f"record {number} stands here again")
        if number > following:
            raise self._damage(f"records before record {number} are missing")
        if mark:
            raise self._damage("records of this commit are changed, missing, doubled or swapped")
        *lines, beginning = tail.split(b"\n")
        for line in lines:
            if not _is_record(line):
                raise self._damage("this is no record")
            following += 1
        if not (beginning.startswith(_HEAD) or _HEAD.startswith(beginning)):
            raise self._damage("this is no record")

    def _damage(self, what: str) -> UserError:
        """Return the error of a file that is damaged after the last sound commit."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            self._checked(json.loads(file.readline()))
        lines = self.place.lines
        keep = f"keep its first {lines} lines, which are sound (head -n {lines}), " if lines else ""
        return UserError(
            f"{self._path}, line {lines + 1}: {what}, and no interrupted write leaves that; restore the file from a "
            f"copy, {keep}or search in another folder with --log-dir"
        )

    def _checked(self, record: Record) -> Record:
        """Return a record unless a newer version wrote it."""
        if record.get("schema", 0) > SCHEMA:
            raise UserError(
                f"{self._path}: written by a newer dh_project (schema {record['schema']}, this one reads up to "
                f"{SCHEMA}); upgrade dh_project"
            )
        return record


def _last_mark(content: bytes) -> re.Match[bytes] | None:
    """Return the last end of a commit."""
    end = len(content)
    while (end := content.rfind(b',"commit":', 0, end)) >= 0:
        if mark := _MARK.match(content, end):
            return mark
    return None


def _is_record(line: bytes) -> bool:
    """Return whether a line is a record of this version that does not end a commit."""
    try:
        return line.startswith(_HEAD) and "crc32" not in json.loads(line)
    except ValueError:
        return False


def _has_lost_pages(tail: bytes, start: int) -> bool:
    """Return whether a tail has zeros, all of them in whole pages or to the end of the file.

    Args:
        tail: Bytes from the end of the last sound commit on.
        start: Their place in the file.
    """
    runs = [run.span() for run in re.finditer(rb"\0+", tail)]
    return bool(runs) and all(
        end == len(tail) or ((begin == 0 or (start + begin) % PAGE == 0) and (start + end) % PAGE == 0)
        for begin, end in runs
    )
