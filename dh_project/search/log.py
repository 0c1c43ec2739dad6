"""``deephyper.log``: what the driver does, by time."""

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
    """A log file that may fill its disk: what cannot be written is left out, for the journal says it all."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing; a line on the terminal for each line that is lost would hide what matters."""


def log_level() -> str:
    """Return the level that ``DEEPHYPER_LOG_LEVEL`` asks for.

    Raises:
        UserError: It is none.
    """
    level = os.environ.get("DEEPHYPER_LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise UserError(f"DEEPHYPER_LOG_LEVEL={level}: valid: {', '.join(logging.getLevelNamesMapping())}")
    return level


@contextmanager
def logging_to(path: Path, level: str) -> Iterator[None]:
    """Let this package's log go to a file, and nowhere else. Searches in several threads have a log each.

    Raises:
        OSError: It cannot be written to.
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
