"""``deephyper.log``: the log of the driver."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError

FORMAT = "%(asctime)s|%(process)d|%(levelname)s|%(name)s] %(message)s"


_here: ContextVar[Path | None] = ContextVar("_here", default=None)
"""The log of the search that runs in this thread."""

_open: list[logging.Handler] = []
_before: list[Any] = []
_lock = threading.Lock()
"""The open logs, what the logger was like before the first of them, and the lock of both."""


class QuietFileHandler(logging.FileHandler):
    """A log file that drops lines if the disk is full. The journal has everything that matters."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore the error; a traceback on the terminal for each lost line would hide the progress."""


def log_level() -> str:
    """Return the log level of the environment variable ``DEEPHYPER_LOG_LEVEL``; ``INFO`` by default.

    Raises:
        UserError: The variable is not a log level.
    """
    level = os.environ.get("DEEPHYPER_LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise UserError(f"DEEPHYPER_LOG_LEVEL={level}: valid: {', '.join(logging.getLevelNamesMapping())}")
    return level


@contextmanager
def logging_to(path: Path, level: str) -> Iterator[None]:
    """Write this package's log only to a file. Searches in several threads have a log each.

    Args:
        path: The log file.
        level: The log level, such as ``INFO``.

    Raises:
        OSError: The file cannot be written.
    """
    handler = QuietFileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    handler.addFilter(lambda record: _here.get() in (None, path))
    logger = logging.getLogger("dh_project")
    with _lock:
        if not _open:
            _before[:] = logger.level, logger.propagate
        _open.append(handler)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    before = _here.set(path)
    try:
        yield
    finally:
        _here.reset(before)
        with _lock:
            _open.remove(handler)
            logger.removeHandler(handler)
            if not _open:
                logger.setLevel(_before[0])
                logger.propagate = _before[1]
        handler.close()
