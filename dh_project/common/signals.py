"""Records the first SIGINT, SIGTERM or SIGHUP, so that a search can end in order. A second one interrupts at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ONE_SECONDS = 1.0
"""Signals within this time count as one. A batch system may send a signal to the job and to each process."""


class SignalNote:
    """Context manager that records a signal. It only works in the main thread, as Python's signal handlers.

    Args:
        answer: Is called with the name of the first signal, inside the signal handler: it must not print.

    Attributes:
        came: Name of the first signal; None if there was none.

    Example:
        >>> with SignalNote() as note:
        ...     signal.raise_signal(signal.SIGTERM)
        >>> note.came
        'SIGTERM'
    """

    came: str | None = None

    def __init__(self, answer: Callable[[str], None] = lambda name: None) -> None:
        self._answer = answer

    def __enter__(self) -> SignalNote:
        self._before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._note)
            for number in NUMBERS
            if is_main_thread() and not (number == signal.SIGHUP and _is_ignored(number))
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
            self._answer(self.came)
        elif time.monotonic() - self._came_at > ONE_SECONDS:
            raise KeyboardInterrupt


def _is_ignored(number: int) -> bool:
    """Return whether this process was started to ignore a signal, as ``nohup`` does with SIGHUP."""
    return signal.getsignal(number) is signal.SIG_IGN


def is_main_thread() -> bool:
    """Return whether this is the main thread, the only one that can handle signals."""
    return threading.current_thread() is threading.main_thread()


def signal_name(number: int) -> str:
    """Return the name of a signal.

    >>> signal_name(9)
    'SIGKILL'
    """
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let SIGINT end this process at once. As an exception it could be lost during imports."""
    if not is_main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
