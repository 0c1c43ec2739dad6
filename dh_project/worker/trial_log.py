"""The log of an attempt: what its processes print, up to a limit.

All processes of an attempt write to a pipe, and the worker copies what comes to ``log.txt``. So a trial that prints
without end does not fill the disk. Of such a log the beginning and the end are kept. The worker is the only writer,
so that the last words of a killed trial are in the log: they wait in the pipe.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path

LIMIT = 64 * 2**20
"""Largest size of a log in bytes."""

PIPE_SIZE = 2**20
"""Bytes that the pipe can hold, if the system allows it; a trial that prints more waits for the worker."""

REST_SECONDS = 0.01
"""Time between two reads, so that a trial that prints many lines does not wake its worker for each of them."""

LONGEST_QUOTE = 200

FATAL = re.compile(r"terminat|fatal|abort|error|assert|exception|killed|cannot|panic|unsafe", re.IGNORECASE)
"""Words in the last line of a process that tells why it dies."""


class OutputPipe:
    """The pipe to which all processes of a worker's trials write what they print.

    Attributes:
        reader: File descriptor that becomes readable when there is output.
        writer: File descriptor for the output of the processes.
        rests_until: Time of the monotonic clock until which output should wait in the pipe.
    """

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        with suppress(OSError, AttributeError):  # only Linux has it, and it limits what a user's pipes hold
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.rests_until = 0.0

    @property
    def name(self) -> str:
        """Name of the pipe among the open files of a process in ``/proc``; empty on a system without it."""
        try:
            return os.readlink(f"/proc/self/fd/{self.writer}")  # noqa: PTH115
        except OSError:
            return ""

    def read(self) -> bytes:
        """Return the output that waits in the pipe, at most as much as the pipe holds."""
        self.rests_until = time.monotonic() + REST_SECONDS
        try:
            return os.read(self.reader, PIPE_SIZE)
        except BlockingIOError:
            return b""


class TrialLog:
    """Copies the output of an attempt's processes to its log.

    Args:
        path: The log. New output is appended.
        pipe: The pipe to which the processes write.
        limit: Largest size in bytes. A log that reaches it keeps its first quarter and the half at its end.

    Raises:
        OSError: The log cannot be opened.
    """

    def __init__(self, path: Path, pipe: OutputPipe, limit: int = LIMIT) -> None:
        self._pipe, self._limit = pipe, limit
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._file).st_size
        self._left_out = 0
        pipe.read()  # of a process that outlived its trial

    def read(self) -> None:
        """Copy the output that waits in the pipe."""
        self.write(self._pipe.read())

    def write(self, output: bytes) -> None:
        """Append output to the log. What cannot be written, because the disk is full, is left out."""
        with suppress(OSError):
            self._append(output)
            if self._size >= self._limit:
                self._shorten()

    def last_words(self) -> str:
        """Return the last line if it tells why a process died, for the reason of the attempt; else an empty text."""
        with suppress(OSError):
            end = os.pread(self._file, 4096, max(0, self._size - 4096)).decode("utf-8", "replace")
            line = next((line.strip() for line in reversed(end.splitlines()) if line.strip()), "")
            if FATAL.search(line):
                return line[:LONGEST_QUOTE]
        return ""

    def close(self) -> None:
        """Copy the output that is left after the processes have been killed, and close the log."""
        self.read()
        os.close(self._file)

    def leave_to_child(self) -> None:
        """Make the pipe the output of this forked process, and close the worker's side."""
        for descriptor in (1, 2):
            os.dup2(self._pipe.writer, descriptor)
        for descriptor in (self._pipe.reader, self._pipe.writer, self._file):
            os.close(descriptor)

    def _append(self, output: bytes) -> None:
        while output:
            written = os.write(self._file, output)
            self._size += written
            output = output[written:]

    def _shorten(self) -> None:
        """Keep the head and the tail of the log."""
        head, tail = self._limit // 4, self._limit // 2
        end = os.pread(self._file, tail, self._size - tail)
        self._left_out += self._size - head - tail
        os.ftruncate(self._file, head)
        self._size = head
        self._append(f"\n[{self._left_out / 2**20:.0f} MiB of output are left out here]\n".encode())
        self._append(end)
