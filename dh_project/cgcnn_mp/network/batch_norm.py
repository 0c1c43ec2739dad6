"""Batch normalisation of rows that each stand for several atoms or bonds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks


class BatchNorm(nn.BatchNorm1d):
    """``BatchNorm1d`` with statistics that are computed elsewhere (the gate computes them over all bonds)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    @torch.no_grad()
    def observe(self, mean: Tensor, variance: Tensor, total: Tensor) -> None:
        """Update the running statistics.

        Args:
            mean: Mean of the batch, float32 (features,).
            variance: Biased variance of the batch, float32 (features,).
            total: Number of rows in the batch, float32 ().
        """
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        # a single row beside padding has variance 0: divide by 1, not by 0
        self.running_var.lerp_(variance * (total / (total - 1).clamp(min=1)), self.momentum)


class WeightedBatchNorm(BatchNorm):
    """``BatchNorm1d`` of rows with weights: a row of weight w counts as w equal rows.

    With fewer than two rows, it uses the running statistics.
    """

    def forward(self, rows: Tensor, weights: Tensor, ranks: Ranks = ALONE) -> Tensor:  # type: ignore[override]
        """Normalise rows by the statistics of all ranks.

        Args:
            rows: float32 (rows, features).
            weights: float32 (rows,), how often each row counts.
            ranks: The processes that share the batch.

        Returns:
            float32 (rows, features).
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
