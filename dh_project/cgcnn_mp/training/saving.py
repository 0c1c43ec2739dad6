"""Saving a training on its way, without spending much of its time on that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from torch import Tensor

import dh_project as dh
from dh_project import CheckpointTimer  # at import, so that no trial must
from dh_project.cgcnn_mp.training.checkpoint import save_checkpoint

BEST, LAST, HISTORY = "best.pt", "last.pt", "history.csv"
"""Files in a training's folder: weights of the best epoch, state after the last one, one row an epoch."""


def copied(values: Any, device: str | None = None) -> Any:
    """Return dicts and lists, in whatever depth, with copies of their tensors, where they lie or on a device."""
    if isinstance(values, Tensor):
        return values.detach().to(device or values.device, copy=True)
    if isinstance(values, dict):
        return type(values)({name: copied(value, device) for name, value in values.items()})
    return [copied(value, device) for value in values] if isinstance(values, list) else values


class Checkpoints(NamedTuple):
    """What a training leaves after an epoch.

    Attributes:
        best: The best epoch's row of the history, with its weights.
        last: All that it takes to go on, the whole ``history`` among it.
    """

    best: dict[str, Any]
    last: dict[str, Any]


class Saver:
    """Writes the checkpoints of a training. A context manager.

    Short epochs are not written each: what is not is kept in memory, and written when training ends, also where
    an exception ends it (Ctrl-C, in the middle of the next epoch). Only a kill loses it, and that is a twentieth
    of its own time's worth.

    Args:
        checkpoints: Returns what the training leaves after its last epoch; training on must not change it.
        folder: Where to write; None: nothing is written.
    """

    def __init__(self, checkpoints: Callable[[], Checkpoints], folder: Path | None) -> None:
        self._checkpoints, self._folder = checkpoints, folder
        self._unwritten: Checkpoints | None = None
        self._best_epoch = 0
        self._timer = CheckpointTimer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def save(self) -> None:
        """Write what there is now.

        Raises:
            OSError: A file cannot be written; its older version stays.
        """
        if self._folder is not None:
            self._unwritten = self._checkpoints()
            self._write()

    def save_if_due(self) -> None:
        """Write what there is now, or keep it in memory where the last writing was not long ago.

        Raises:
            OSError: A file cannot be written; its older version stays.
        """
        if self._timer.is_due():
            self.save()
        elif self._folder is not None:
            self._unwritten = self._checkpoints()

    def _write(self) -> None:
        if self._folder is None or self._unwritten is None:
            return
        with self._timer.writing():
            best, last = (copied(contents, "cpu") for contents in self._unwritten)
            if best["epoch"] != self._best_epoch:
                save_checkpoint(self._folder / BEST, best)
                self._best_epoch = best["epoch"]
            dh.files.write_table(self._folder / HISTORY, last["history"])
            save_checkpoint(self._folder / LAST, last)
        self._unwritten = None
