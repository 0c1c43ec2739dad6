"""Reads the output of a script until the script ends, even if programs that it started still run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from uuid import uuid4


class Output:
    """A pipe for the output of a process.

    A pipe ends when the last process closes it. That may be a program that the script started and left running (a
    server, a logger). So this class itself writes a last line into the pipe when the script ends.

    Attributes:
        writer: The file descriptor for the output of the process.
    """

    def __init__(self) -> None:
        reader, self.writer = os.pipe()
        self._reader = os.fdopen(reader, encoding="utf-8", errors="replace")
        self._end = f"{uuid4()}\n"
        self._waiting: Thread | None = None

    def lines(self, process: subprocess.Popen[bytes]) -> Iterator[str]:
        """Yield the lines that a process prints until it ends."""
        self._waiting = Thread(target=self._write_end, args=(process,), daemon=True)
        self._waiting.start()
        for line in self._reader:
            if line.endswith(self._end):
                if rest := line.removesuffix(self._end):
                    yield rest
                return
            yield line

    def _write_end(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        with suppress(BrokenPipeError):  # the reader is closed
            os.write(self.writer, self._end.encode())

    def close(self) -> None:
        """Close both ends. Call it after the process has ended."""
        self._reader.close()
        if self._waiting is not None:
            self._waiting.join()
        os.close(self.writer)
