"""How to train: optimizer, schedule, stopping, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch._dynamo  # the first optimizer imports it, for a second: here it is before the fork of a trial

from dh_project.cgcnn_mp.errors import unknown

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}


@dataclass(frozen=True)
class Settings:
    """How to train; the defaults are the original code's.

    Attributes:
        lr: Learning rate.
        weight_decay: Weight decay.
        batch_size: Crystals a step.
        optim: Optimizer: SGD, Adam or AdamW.
        momentum: Momentum of SGD.
        milestones: Epochs after which the learning rate is multiplied by ``gamma``.
        gamma: See ``milestones``.
        epochs: Epochs at most.
        patience: Epochs without a better validation error after which training ends; None: never.
        seed: Of initial weights, dropout and the order of crystals.
        device: ``auto`` (the GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` …
        threads: CPU threads.
    """

    lr: float = 0.01
    weight_decay: float = 0.0
    batch_size: int = 256
    optim: str = "SGD"
    momentum: float = 0.9
    milestones: tuple[int, ...] = (100,)
    gamma: float = 0.1
    epochs: int = 30
    patience: int | None = None
    seed: int = 0
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.optim not in OPTIMIZERS:
            raise ValueError(unknown("optim", self.optim, OPTIMIZERS))
        for name in ("batch_size", "epochs", "patience", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 at least")

    def identity(self) -> dict[str, Any]:
        """Return the settings that a resumed training must share; it may end later, and run elsewhere."""
        free = ("epochs", "patience", "device", "threads")
        return {name: value for name, value in asdict(self).items() if name not in free}

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        return self.lr * self.gamma ** sum(epoch > milestone for milestone in self.milestones)
