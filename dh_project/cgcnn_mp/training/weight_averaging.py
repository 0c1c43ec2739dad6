"""An average of the weights along a training, which often predicts better than the last weights do."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet


class WeightAverage:
    """The exponential moving average of a network's weights and running statistics.

    Each step takes in the present weights w: average ← d · average + (1 - d) · w. So that the first weights, which
    know nothing, do not weigh for long, d grows with the number n of steps, (1 + n) / (10 + n), until it reaches
    ``decay``.

    torch's ``AveragedModel`` keeps such an average too, and waits for the GPU in each step.

    Args:
        network: It stays as it is.
        decay: Above 0 and below 1; 1 / (1 - ``decay``) is about the number of steps averaged over.

    Attributes:
        network: A copy, with the averaged weights.
        steps: Taken so far.
    """

    def __init__(self, network: CrystalGraphConvNet, decay: float) -> None:
        self.network = deepcopy(network).requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: CrystalGraphConvNet) -> None:
        """Take in the weights after one more step."""
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
        """Return what a checkpoint must hold."""
        return {"steps": self.steps, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.steps = state["steps"]
        self.network.load_state_dict(state["network"])
