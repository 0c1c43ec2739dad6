"""``deephyper.log``: what the driver does, by time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dh_project.common.errors import UserError

FORMAT = "%(asctime)s|%(process)d|%(levelname)s|%(name)s] %(message)s"


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
    """Let this package's log go to a file, and nowhere else.

    Raises:
        OSError: It cannot be written to.
    """
    handler = QuietFileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("dh_project")
    before, propagated = logger.level, logger.propagate
    logger.setLevel(level)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(before)
        logger.propagate = propagated
