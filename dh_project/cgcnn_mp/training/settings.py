"""How to train: loss, optimizer, schedule, stopping, and where."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import torch
import torch._dynamo  # the first optimizer imports it, for a second: here it is before the fork of a trial

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
"""Settings that may change when a training goes on; so may ``epochs``, but for a schedule over all of them."""

SCHEDULES = ("multi-step", "cosine", "one-cycle")
"""``schedules`` says what each does."""


@dataclass(frozen=True)
class Settings:
    """How to train; the defaults are the original code's.

    Attributes:
        lr: Learning rate; of ``one-cycle`` the highest.
        weight_decay: Weight decay.
        batch_size: Crystals a step.
        optim: Optimizer: SGD, Adam or AdamW.
        momentum: Momentum of SGD.
        loss: Of a regression: mse, l1 or huber. A classification has the negative log-likelihood.
        schedule: How the learning rate goes: multi-step, cosine or one-cycle.
        milestones: Epochs after which a multi-step learning rate is multiplied by ``gamma``.
        gamma: See ``milestones``.
        clip_norm: Norm of all gradients together at most; None: any.
        averaging: Decay a step of the moving average of the weights, such as 0.99; validation, best weights and
            predictions are then the average's. 0: no average.
        epochs: Epochs at most.
        patience: Epochs without a better validation error after which training ends; None: never.
        seed: Of initial weights, dropout and the order of crystals.
        device: ``auto`` (the GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` …
        threads: CPU threads.
        mixed_precision: Whether a GPU multiplies matrices in bfloat16.
        kernels: What computes the gated sum: ``auto``, or a name that ``gate.choice`` knows.
        cuda_graphs: Whether a GPU repeats recorded steps, which spares the CPU's work. Experimental.
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
        """Return the settings that a resumed training must share; it may end later, and run elsewhere.

        A schedule that is laid out over all epochs fixes their number too.
        """
        free = (*FREE, "epochs") if self.schedule == "multi-step" else FREE
        return {name: value for name, value in asdict(self).items() if name not in free}

    def find_device(self) -> torch.device:
        """Return the device to train on.

        Raises:
            ValueError: It is not here, or cannot do what is asked for.
        """
        device = find_device(self.device)
        for name in ("mixed_precision", "cuda_graphs"):
            if getattr(self, name) and device.type != "cuda":
                raise ValueError(f"{name} needs a GPU, and the device is the CPU: leave it out")
        if device.type == "cpu":  # a GPU stays untouched before a search has forked its trials
            with using_kernels(self.kernels):
                kernels_for(torch.empty(0))
        return device

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return the optimizer of a network's weights, which updates them all in one pass of one kernel.

        ``fused`` takes a third of the time of ``foreach`` on a CPU, and launches one kernel on a GPU.
        """
        momentum = {"momentum": self.momentum} if self.optim == "SGD" else {}
        return OPTIMIZERS[self.optim](
            network.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True, **momentum
        )
