"""When to write the next checkpoint, so that writing takes a small share of the training time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.05
"""Default for the largest share of the time that is spent on writing checkpoints."""


class CheckpointTimer:
    """Decides how often to write checkpoints.

    The timer measures how long each checkpoint takes to write. The next one is due when writing it costs at most
    ``share`` of the time since then. The first one is due at once.

    Args:
        share: Largest share of the time that is spent on writing, between 0 and 1; None: 5 %.

    Example:
        >>> timer = CheckpointTimer()
        >>> for epoch in range(3):
        ...     if timer.is_due():
        ...         with timer.writing():
        ...             pass  # write the checkpoint here
    """

    def __init__(self, share: float | None = None) -> None:
        self._share = SHARE if share is None else share
        self._due = 0.0

    def is_due(self) -> bool:
        """Return whether enough time has passed since the last checkpoint."""
        return time.monotonic() >= self._due

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Measure the time that the checkpoint inside the ``with`` block takes to write."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._due = ended + (ended - began) * (1 / self._share - 1)
