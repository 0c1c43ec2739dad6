"""Marks run functions that resume from a checkpoint of an earlier attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Run = TypeVar("Run", bound=Callable[..., Any])

MARK = "resumable"


def resumable(run: Run) -> Run:
    """Declare that a run function resumes: it saves a checkpoint when a report returns False, and goes on from it.

    A search may then park its trials and resume the promising ones, without training an epoch twice. Class trainables
    and LightningModules need no mark. The trials of other run functions start again from step 1.

    Args:
        run: The run function.

    Returns:
        The same function.

    Example::

        @dh.resumable
        def run(point, epochs=100):
            model, start = Model(point), 1
            if before := dh.previous_folder(holding="model.pt"):
                start = model.load(before / "model.pt") + 1
            for epoch in range(start, epochs + 1):
                error = model.train_one_epoch()
                if not dh.report(epoch, -error, of=epochs):
                    break
            if folder := dh.trial_folder():
                model.save(folder / "model.pt", epoch)
            return -error
    """
    setattr(run, MARK, True)
    return run


def can_resume(run: Callable[..., Any]) -> bool:
    """Return whether a run function is declared to resume from checkpoints.

    >>> can_resume(resumable(lambda point: 0.0)), can_resume(lambda point: 0.0)
    (True, False)
    """
    return getattr(run, MARK, False) is True
