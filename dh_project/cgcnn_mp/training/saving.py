"""Saving the checkpoints of a training, in at most 5 % of its time."""

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
"""Files in a training folder: weights of the best epoch, state after the last epoch, one row per epoch."""


def copied(values: Any, device: str | None = None) -> Any:
    """Return a copy of nested dicts and lists with copies of all tensors, on their device or another one."""
    if isinstance(values, Tensor):
        return values.detach().to(device or values.device, copy=True)
    if isinstance(values, dict):
        return type(values)({name: copied(value, device) for name, value in values.items()})
    return [copied(value, device) for value in values] if isinstance(values, list) else values


class Checkpoints(NamedTuple):
    """The contents of both checkpoints after an epoch.

    Attributes:
        best: The row of the best epoch in the history, with its weights.
        last: The complete state needed to resume, including the whole ``history``.
    """

    best: dict[str, Any]
    last: dict[str, Any]


class Saver:
    """Writes the checkpoints of a training; a context manager.

    If epochs are short, not every epoch is written. The newest state is kept in memory and written when training
    ends, also if an exception ends it, such as Ctrl-C in the middle of the next epoch. Only a kill loses epochs.

    Args:
        checkpoints: Returns the contents after the last epoch. Further training must not change them.
        folder: The folder for the files; None: nothing is written.
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
        """Write the current state.

        Raises:
            OSError: A file cannot be written; its older version is kept.
        """
        if self._folder is not None:
            self._unwritten = self._checkpoints()
            self._write()

    def save_if_due(self) -> None:
        """Write the current state if a checkpoint is due; otherwise keep it in memory.

        Raises:
            OSError: A file cannot be written; its older version is kept.
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
