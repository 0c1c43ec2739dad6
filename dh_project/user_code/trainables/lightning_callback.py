"""A Lightning callback that reports epochs and saves checkpoints."""

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
from dh_project.trial.reporting import record, report
from dh_project.user_code.trainables.lightning_optimizers import keep_settings, settings_of
from dh_project.user_code.trainables.metric import Metric

BEST, LAST = "best.ckpt", "last.ckpt"
"""Checkpoint files in the folder of a trial: of the best epoch and after the last epoch."""

RANDOM, OPTIMIZERS = "dh_project_random_state", "dh_project_optimizers"
"""Our parts of a checkpoint."""


class Reporting(Checkpoint):
    """Reports each validated epoch, or every epoch if there is no validation, and saves checkpoints.

    It is a ``Checkpoint`` because Lightning calls checkpoint callbacks last, after all metrics are logged.

    Args:
        metric: The metric that is the objective.
        folder: The folder for checkpoints; None: nothing is saved.

    Attributes:
        best: The best objective; None before the first report.
        best_epoch: The epoch of the best objective, counted from 1.
        best_metrics: All metrics of that epoch.
    """

    def __init__(self, metric: Metric, folder: Path | None) -> None:
        self._metric, self._folder = metric, folder
        self._was_validated = self._begins_epoch = False
        self._random_state: dict[str, Any] | None = None
        self._optimizers: list[dict[str, Any]] = []
        self._optimizers_before: list[dict[str, Any]] | None = None
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
        """Return the checkpoint after the last epoch; None if there is none that can be read safely."""
        path = self._folder / LAST if self._folder is not None else None
        if path is None or not path.is_file():
            return None
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises many kinds of errors
            print(f"{path} cannot be read; the training starts from the beginning: {error}")
            return None
        return path

    # ---- hooks that Lightning calls

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the random number generators, just before the first batches are drawn.

        The optimizers are new here, and restored after this hook.
        """
        self._optimizers = settings_of(trainer)
        if self._random_state is not None:
            _set_random_state(self._random_state)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep this trial's own hyperparameters if the checkpoint is of another trial."""
        if self._optimizers_before is not None:
            keep_settings(trainer, self._optimizers, self._optimizers_before)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the state after the previous epoch, now that its learning rate schedule has taken its step."""
        if trainer.current_epoch > 0 and self._timer.is_due():
            self._begins_epoch = True
            self._save(trainer)
            self._begins_epoch = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that this epoch was validated."""
        self._was_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch, and end the training if the report returns False."""
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
        record(**metrics)
        last = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        if not report(epoch, objective, of=last):
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the last epoch."""
        self._save(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state of the random number generators and the settings of the optimizers to a checkpoint."""
        checkpoint[RANDOM] = _random_state()
        checkpoint[OPTIMIZERS] = self._optimizers
        if (
            self._begins_epoch
        ):  # Lightning can resume after the end of an epoch, but not just after the start of one
            for progress in ("current", "total"):
                checkpoint["loops"]["fit_loop"]["epoch_progress"][progress]["ready"] -= 1

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Read what is restored when training starts."""
        self._random_state = checkpoint.get(RANDOM)
        self._optimizers_before = checkpoint.get(OPTIMIZERS)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this callback for a checkpoint."""
        return {"best": self.best, "best_epoch": self.best_epoch, "best_metrics": self.best_metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this callback from a checkpoint."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.best_metrics = state_dict["best_metrics"]

    def _save(self, trainer: Trainer) -> None:
        """Save the checkpoint to resume from."""
        if self._folder is None:
            return
        with self._timer.writing(), replacing(self._folder / LAST) as aside:
            trainer.save_checkpoint(aside)


def _random_state() -> dict[str, Any]:
    """Return the state of all random number generators in types that ``weights_only`` can load."""
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
