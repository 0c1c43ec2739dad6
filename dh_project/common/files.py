"""Files that are written whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where to write a file's new content; it takes the old one's place in one step, on disk, at the end.

    The path yielded is in the same folder and holds host and process, so that writers on several nodes never
    share one; the last to end wins. If the block fails, the old content stays and nothing else is left.

    Raises:
        OSError: It cannot be written; it names ``path``.
    """
    aside = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        if error.filename in (None, str(aside)):  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def is_aside(name: str) -> bool:
    """Say whether a file of this machine is what ``replacing`` yields: being written, or left by a killed writer."""
    return bool(re.fullmatch(rf"\..+\.{re.escape(socket.gethostname())}\.\d+", name))


@contextmanager
def must_be_written() -> Iterator[None]:
    """Say, where a file of a search cannot be written, what is lost (nothing) and what to do.

    Raises:
        OSError: With these words, and the file's name.
    """
    try:
        yield
    except OSError as error:
        mend = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"
        advice = f"the search stops; all that is on record stays: {mend}, and the same command goes on"
        raise OSError(error.errno, f"{error.strerror}; {advice}", error.filename) from error


def sync_folder(folder: Path) -> None:
    """See to it that a folder's entries are on disk, where the file system lets one."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a CSV file; its columns are in the order of their appearance.

    Raises:
        OSError: It cannot be written; the old content stays.
    """
    write_whole(path, table_text(rows))


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, with a header; the columns are in the order of their appearance."""
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_whole(path: Path, text: str) -> None:
    """Replace a file's content by a text.

    Raises:
        OSError: It cannot be written; the old content stays.
    """
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")
