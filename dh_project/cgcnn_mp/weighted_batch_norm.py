"""Batch normalisation of rows of which each stands for several."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WeightedBatchNorm(nn.BatchNorm1d):
    """What ``BatchNorm1d`` gives where each row stands there as often as its weight says.

    It leans on its running statistics where one row or none cannot give any.
    """

    def forward(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Normalise rows, float32 (rows, features), given how often each counts, float32 (rows,)."""
        if not self.training or (len(rows) < 2 and float(weights.sum()) < 2):
            return F.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        total = weights.sum()
        shares = weights / total
        mean = shares @ rows
        centred = rows - mean
        variance = shares @ centred.square()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (total / (total - 1)), self.momentum)
        return torch.addcmul(self.bias, centred, self.weight * (variance + self.eps).rsqrt())
