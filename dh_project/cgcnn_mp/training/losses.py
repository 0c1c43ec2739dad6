"""What a training makes small."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs and labels of C crystals to the mean loss, a scalar."""

LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,  # the original's
    "l1": F.l1_loss,
    "huber": F.huber_loss,  # quadratic up to an error of one standard deviation of the labels, then linear
}
"""Losses of a regression, on normalised labels; each target counts the same."""


def negative_log_likelihood(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of a classification.

    Args:
        outputs: float32 (C, 2), log-probabilities.
        labels: float32 (C, 1), 0 or 1.
    """
    return F.nll_loss(outputs, labels.squeeze(1).long())
