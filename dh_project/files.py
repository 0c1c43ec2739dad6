"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where to write a file's new content; it takes the old one's place in one step, on disk, at the end.

    The path yielded is in the same folder and holds host and process, so that writers on several nodes never
    share one; the last to end wins. If the block fails, the old content stays and nothing else is left.

    Raises:
        OSError: The folder cannot be written to.
    """
    aside = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a file's content by a text.

    Raises:
        OSError: It cannot be written; the old content stays.
    """
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")
