"""A moving average of the weights, which often predicts better than the last weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet


class WeightAverage:
    """Exponential moving average of the weights and running statistics of a network.

    Each step adds the current weights w: average ← d · average + (1 - d) · w. The decay d grows with the number n of
    steps, as (1 + n) / (10 + n), until it reaches ``decay``. Otherwise the random initial weights would dominate the
    average for many steps.

    torch's ``AveragedModel`` computes such an average too, but waits for the GPU in each step.

    Args:
        network: The network, which is not changed.
        decay: Decay per step, between 0 and 1. The average covers about 1 / (1 - ``decay``) steps.

    Attributes:
        network: A copy of the network, with the averaged weights.
        steps: Number of steps so far.
    """

    def __init__(self, network: CrystalGraphConvNet, decay: float) -> None:
        self.network = deepcopy(network).requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: CrystalGraphConvNet) -> None:
        """Add the current weights to the average."""
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        averages, weights = (
            list(some) for some in zip(*(p for p in pairs if p[0].is_floating_point()), strict=True)
        )
        get_ema_multi_avg_fn(min(self.decay, (1 + self.steps) / (10 + self.steps)))(averages, weights, 0)
        for count, current in pairs:
            if not count.is_floating_point():
                count.copy_(current)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"steps": self.steps, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state from a checkpoint."""
        self.steps = state["steps"]
        self.network.load_state_dict(state["network"])
