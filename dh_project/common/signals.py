"""The first SIGINT or SIGTERM is noted, for a search to end in order; a second one interrupts at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)

ONE_SECONDS = 1.0
"""Signals within this time are one: a batch system may send it to the job and to each of its processes."""


class SignalNote:
    """Notes signals between its entry and its exit. Outside of the main thread none can be noted.

    Attributes:
        came: Name of the signal that came; None while none did.
    """

    came: str | None = None

    def __enter__(self) -> SignalNote:
        self._before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._note) for number in NUMBERS if is_main_thread()
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.came is None:
            self.came, self._came_at = signal.Signals(number).name, time.monotonic()
        elif time.monotonic() - self._came_at > ONE_SECONDS:
            raise KeyboardInterrupt


def is_main_thread() -> bool:
    """Say whether this thread is the main one, which alone can take note of signals."""
    return threading.current_thread() is threading.main_thread()


def signal_name(number: int) -> str:
    """Return what a signal is called."""
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let a SIGINT end this process, as a SIGTERM does: as an exception it can be lost while Python imports."""
    if not is_main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
