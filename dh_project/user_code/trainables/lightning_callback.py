"""Lightning's callback that reports a trial's epochs and saves what it takes to go on."""

from __future__ import annotations

import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from dh_project.common.files import replacing
from dh_project.trial.checkpoint_timer import CheckpointTimer
from dh_project.trial.reporting import report
from dh_project.user_code.trainables.metric import Metric

BEST, LAST = "best.ckpt", "last.ckpt"
"""Files in a trial's folder: as Lightning saves them, of the best epoch and after the last one."""

RANDOM = "dh_project_random_state"


class Reporting(Checkpoint):
    """Reports each epoch that was validated, or each one where nothing validates, and saves checkpoints.

    It is a ``Checkpoint`` because Lightning calls those last, after whatever logs a metric.

    Args:
        metric: Which is the objective.
        folder: Where to save; None: nothing is saved.

    Attributes:
        best: The best objective; None before the first one.
        best_epoch: Its epoch, from 1.
        best_metrics: All metrics of that epoch.
    """

    def __init__(self, metric: Metric, folder: Path | None) -> None:
        self._metric, self._folder = metric, folder
        self._was_validated = self._begins_epoch = False
        self._random_state: dict[str, Any] | None = None
        self._timer = CheckpointTimer()
        self.best: float | None = None
        self.best_epoch = 0
        self.best_metrics: dict[str, float] = {}

    def take_over(self, name: str, before: Path | None) -> None:
        """Copy a checkpoint of an earlier run into the folder.

        Args:
            name: The file name of the checkpoint.
            before: The folder of the earlier run; None: there is none, and an older file of that name is removed.

        Raises:
            OSError: The file cannot be copied or removed.
        """
        if self._folder is None:
            return
        if before is None:
            (self._folder / name).unlink(missing_ok=True)
            return
        with replacing(self._folder / name) as aside:
            shutil.copyfile(before / name, aside)

    def to_go_on_from(self) -> Path | None:
        """Return the checkpoint after the last epoch, where there is one that can be read safely."""
        path = self._folder / LAST if self._folder is not None else None
        if path is None or not path.is_file():
            return None
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # of many kinds, where a file is damaged
            print(f"{path} cannot be read; the training begins anew: {error}")
            return None
        return path

    # ---- what Lightning calls

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the random numbers, just before the first batches are drawn."""
        if self._random_state is not None:
            _set_random_state(self._random_state)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the epoch before, whose learning rate schedule has made its step by now."""
        if trainer.current_epoch > 0 and self._timer.is_due():
            self._begins_epoch = True
            self._save(trainer)
            self._begins_epoch = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that there are metrics to report."""
        self._was_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch, and end the training where that is answered with a stop."""
        if trainer.enable_validation and not self._was_validated:
            return
        self._was_validated = False
        epoch = trainer.current_epoch + 1
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        objective = self._metric.objective(metrics, f"epoch {epoch}")
        if math.isfinite(objective) and (self.best is None or objective > self.best):
            self.best, self.best_epoch, self.best_metrics = objective, epoch, metrics
            if self._folder is not None:
                with replacing(self._folder / BEST) as aside:
                    trainer.save_checkpoint(aside)
        if not report(epoch, objective):
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the last epoch."""
        self._save(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the state of the random number generators into a checkpoint."""
        checkpoint[RANDOM] = _random_state()
        if self._begins_epoch:  # Lightning goes on where an epoch has ended, not where one has just begun
            for progress in ("current", "total"):
                checkpoint["loops"]["fit_loop"]["epoch_progress"][progress]["ready"] -= 1

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the state of the random number generators out of it; it is set when training begins."""
        self._random_state = checkpoint.get(RANDOM)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds of this."""
        return {"best": self.best, "best_epoch": self.best_epoch, "best_metrics": self.best_metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.best_metrics = state_dict["best_metrics"]

    def _save(self, trainer: Trainer) -> None:
        """Save what it takes to go on."""
        if self._folder is None:
            return
        with self._timer.writing(), replacing(self._folder / LAST) as aside:
            trainer.save_checkpoint(aside)


def _random_state() -> dict[str, Any]:
    """Return the state of all random number generators, in types that load with ``weights_only``."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state = {
        "python": [version, list(numbers), gauss],
        "numpy": [name, [int(key) for key in keys], position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_random_state(state: dict[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and len(state.get("cuda", ())) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])
