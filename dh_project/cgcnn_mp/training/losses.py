"""Loss functions."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""Maps outputs and labels of C crystals to their mean loss, a scalar tensor."""

LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,  # the original's
    "l1": F.l1_loss,
    "huber": F.huber_loss,  # quadratic up to an error of one standard deviation of the labels, then linear
}
"""Losses of a regression, computed on normalised labels (C, targets); all targets have the same weight."""


def negative_log_likelihood(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-likelihood, the loss of a classification.

    Args:
        outputs: float32 (C, 2), log-probabilities of the classes 0 and 1.
        labels: float32 (C, 1), 0 or 1.

    Returns:
        float32 scalar.

    Example:
        >>> import torch
        >>> negative_log_likelihood(torch.log(torch.tensor([[0.5, 0.5]])), torch.tensor([[1.0]])).item()
        0.6931471824645996
    """
    return F.nll_loss(outputs, labels.squeeze(1).long())
