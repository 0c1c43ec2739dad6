"""Batch normalisation where each row stands for several."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks


class BatchNorm(nn.BatchNorm1d):
    """``BatchNorm1d`` whose statistics are taken elsewhere (the gate takes them over all bonds)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    @torch.no_grad()
    def observe(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        """Move the running statistics towards a batch's mean and biased variance over ``total`` rows."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        # one row, and padding beside it, has no variance: 0 of 1, not of 0
        self.running_var.lerp_(variance * (total / (total - 1).clamp(min=1)), self.momentum)


class WeightedBatchNorm(BatchNorm):
    """What ``BatchNorm1d`` gives where each row stands there as often as its weight says.

    It leans on its running statistics where one row or none cannot give any.
    """

    def forward(self, rows: Tensor, weights: Tensor, ranks: Ranks = ALONE) -> Tensor:  # type: ignore[override]
        """Normalise rows, float32 (rows, features), given how often each counts, float32 (rows,).

        The statistics are those of the rows of all ranks.
        """
        if not self.training or (ranks.size == 1 and len(rows) < 2 and float(weights.sum()) < 2):
            return F.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        total = ranks.add(weights.sum())
        shares = weights / total
        mean = ranks.add(shares @ rows)
        centred = rows - mean
        variance = ranks.add(shares @ centred.square())
        self.observe(mean, variance, total)
        return torch.addcmul(self.bias, centred, self.weight * (variance + self.eps).rsqrt())
