"""The settings of the training loop: loss, optimizer, schedule, stopping and device."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import torch
import torch._dynamo  # takes a second; imported here, so that the forked trials need not import it

import dh_project as dh
from dh_project.cgcnn_mp.network.devices import find_device
from dh_project.cgcnn_mp.network.kernels.choice import NAMES as KERNELS
from dh_project.cgcnn_mp.network.kernels.choice import kernels_for, using_kernels
from dh_project.cgcnn_mp.training.losses import LOSSES

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
}

FREE = ("patience", "device", "threads", "kernels", "cuda_graphs")
"""Settings that may change when a training is resumed. So may ``epochs``, if the schedule is multi-step."""

CHANGEABLE = (
    *("lr", "weight_decay", "batch_size", "optim", "momentum", "loss", "milestones", "gamma", "clip_norm"),
    "dropout",
)
"""Settings that may change when a training goes on from the checkpoint of another one."""

SCHEDULES = ("multi-step", "cosine", "one-cycle")
"""See ``schedules.make_schedule``."""


@dataclass(frozen=True)
class Settings:
    """The settings of the training loop; the defaults are those of the original CGCNN.

    Attributes:
        lr: Learning rate; for ``one-cycle`` the highest one.
        weight_decay: Weight decay.
        batch_size: Crystals per step.
        optim: Optimizer: SGD, Adam or AdamW.
        momentum: Momentum of SGD.
        loss: Loss of a regression: mse, l1 or huber. A classification has the negative log-likelihood.
        schedule: Schedule of the learning rate: multi-step, cosine or one-cycle.
        milestones: Epochs after which a multi-step learning rate is multiplied by ``gamma``.
        gamma: See ``milestones``.
        clip_norm: Largest norm of all gradients together; None: no limit.
        averaging: Decay per step of the moving average of the weights, such as 0.99. The average is then validated,
            saved and used for predictions. 0: no average.
        epochs: Largest number of epochs.
        patience: Training ends after this many epochs without a better validation error; None: never.
        seed: Seed of the initial weights, of dropout and of the order of crystals.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1`` …
        threads: CPU threads.
        mixed_precision: Whether to multiply matrices in bfloat16 on a GPU.
        kernels: Implementation of the gated sum: ``auto``, or a name in ``network.kernels.choice``.
        cuda_graphs: Whether to repeat recorded steps on a GPU, which saves CPU time. Experimental.

    Raises:
        ValueError: A name or a value is invalid.

    Example:
        >>> Settings(optim="Adam", epochs=100).lr
        0.01
    """

    lr: float = 0.01
    weight_decay: float = 0.0
    batch_size: int = 256
    optim: str = "SGD"
    momentum: float = 0.9
    loss: str = "mse"
    schedule: str = "multi-step"
    milestones: tuple[int, ...] = (100,)
    gamma: float = 0.1
    clip_norm: float | None = None
    averaging: float = 0.0
    epochs: int = 30
    patience: int | None = None
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    mixed_precision: bool = False
    kernels: str = "auto"
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        choices: dict[str, Collection[str]] = {
            "optim": OPTIMIZERS,
            "loss": LOSSES,
            "schedule": SCHEDULES,
            "kernels": KERNELS,
        }
        for name, valid in choices.items():
            if getattr(self, name) not in valid:
                raise ValueError(dh.errors.unknown_name(name, getattr(self, name), valid))
        for name in ("batch_size", "epochs", "patience", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 at least")
        if not (isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr is {self.lr}; it must be above 0")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm is {self.clip_norm}; it must be above 0, or None for no clipping")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"averaging is {self.averaging}; it must be from 0 (none) to below 1")

    def identity(self) -> dict[str, Any]:
        """Return the settings that must not change when a training is resumed.

        If the schedule depends on the number of epochs, ``epochs`` is among them.
        """
        free = (*FREE, "epochs") if self.schedule == "multi-step" else FREE
        return {name: value for name, value in asdict(self).items() if name not in free}

    def find_device(self) -> torch.device:
        """Return the device to train on.

        Raises:
            ValueError: This machine has no such device, or the device does not support a setting.
        """
        device = find_device(self.device)
        for name in ("mixed_precision", "cuda_graphs"):
            if getattr(self, name) and device.type != "cuda":
                raise ValueError(f"{name} needs a GPU, and the device is the CPU: leave it out")
        if device.type == "cpu":  # a GPU must not be used before a search has forked its trials
            with using_kernels(self.kernels):
                kernels_for(torch.empty(0))
        return device

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return an optimizer for the weights of a network.

        It is ``fused``: on a CPU it takes a third of the time of ``foreach``, and on a GPU it launches one kernel.
        """
        momentum = {"momentum": self.momentum} if self.optim == "SGD" else {}
        return OPTIMIZERS[self.optim](
            network.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True, **momentum
        )
