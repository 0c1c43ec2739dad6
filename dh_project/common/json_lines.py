"""JSON lines: one JSON value per line, read from a pipe or from a file that only grows.

A killed writer or a full disk can leave an incomplete last line in a file. Such a torn tail is never part of the
content: readers ignore it, and the next writer removes it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from dh_project.common.files import replacing

T = TypeVar("T")


class Lines:
    r"""Decodes JSON lines that arrive in pieces of any length, as from a pipe.

    Example:
        >>> lines = Lines()
        >>> lines.feed(b'{"step": 1}\n{"st')
        [{'step': 1}]
        >>> lines.feed(b'ep": 2}\n')
        [{'step': 2}]
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """Take the next piece and return the messages that it completes.

        Raises:
            ValueError: A complete line is not JSON.
        """
        self._pieces.append(chunk)
        if b"\n" not in chunk:  # join once per message: a long message costs linear time
            return []
        *lines, partial = b"".join(self._pieces).split(b"\n")
        self._pieces = [partial]
        return [json.loads(line) for line in lines]


def decode_line(line: bytes) -> Any | None:
    """Return the value of a line, or None if the line is incomplete or not JSON."""
    with suppress(ValueError):
        return json.loads(line) if line.endswith(b"\n") else None
    return None


def read_lines(path: Path) -> list[bytes]:
    """Return the lines of a file with their line ends. A torn last line has none. A missing file has no lines.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.readlines()
    except FileNotFoundError:
        return []


class Tail(Generic[T]):
    """Reads a growing file, each line once.

    Args:
        path: The file, which need not exist yet.
        decode: Returns the value of a line, or None if the line is not completely written.
    """

    def __init__(self, path: Path, decode: Callable[[bytes], T | None]) -> None:
        self._path, self._decode, self._read = path, decode, 0

    def new(self) -> list[T]:
        """Return the values of the lines that were completed since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines = file.readlines()
        except OSError:  # no file yet, or the file system is not reachable: the next call reads the lines
            return []
        values = []
        for line in lines:
            value = self._decode(line)
            if value is None:  # another process is writing it
                break
            values.append(value)
            self._read += len(line)
        return values


class AppendedFile:
    """A file open for durable appends.

    Args:
        path: The file, created if it does not exist.

    Attributes:
        descriptor: Its file descriptor.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)

    def cut(self, size: int) -> int:
        """Remove the end of the file; return the number of bytes removed.

        Args:
            size: Length in bytes of the part to keep.

        Raises:
            OSError: The file cannot be cut.
        """
        removed = os.fstat(self.descriptor).st_size - size
        if removed:
            os.ftruncate(self.descriptor, size)
        return removed

    def append(self, data: bytes) -> None:
        """Append bytes and wait until they are on disk.

        Raises:
            OSError: The bytes could not be written; the file keeps its former content.
        """
        size = os.fstat(self.descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
            os.fsync(self.descriptor)
        except OSError as error:
            with suppress(OSError):  # if this fails too, the next writer removes the torn tail
                os.ftruncate(self.descriptor, size)
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def change(self, size: int) -> str | None:
        """Return what another program has done to the file, as a verb phrase; None if nothing.

        Args:
            size: Length in bytes that the file should have.
        """
        opened = os.fstat(self.descriptor)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return "was removed or moved"
        if not os.path.samestat(opened, there):
            return "was replaced"
        return None if opened.st_size == size else "was changed by another program"

    @property
    def is_unlinked(self) -> bool:
        """Whether the file has no name any more, so that its content is lost when it is closed."""
        return os.fstat(self.descriptor).st_nlink == 0

    def copy_to(self, target: Path) -> None:
        """Write the content of the file to another file.

        Raises:
            OSError: The other file cannot be written.
        """
        with replacing(target) as aside, aside.open("wb") as file:
            begin = 0
            while chunk := os.pread(self.descriptor, 2**20, begin):
                begin += file.write(chunk)

    def cut_torn_tail(self) -> None:
        """Remove an incomplete last line. Locks the file until it is closed, so that writers do not mix."""
        with suppress(OSError):  # a file system without flock
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        content = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        self.cut(content.rfind(b"\n") + 1)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def append_line(path: Path, line: str) -> None:
    """Append one line to a file that several processes may append to.

    Args:
        path: The file, created if it does not exist. A torn last line is removed first.
        line: The line, without its end.

    Raises:
        OSError: The line could not be written; the file keeps its former lines.
    """
    file = AppendedFile(path)
    try:
        file.cut_torn_tail()
        file.append(line.encode() + b"\n")
    finally:
        file.close()
