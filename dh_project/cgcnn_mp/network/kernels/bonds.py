"""Distances as bond features: the expansion in Gaussians, and its product with a matrix."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels.choice import arrays, by_numba

GAUSSIAN_STEP = 0.2
"""Distance between the centres of the Gaussians, and their width σ, Å."""
FEWEST_GAUSSIANS = 10
"""Smallest number of Gaussians for the compiled loops."""


def count_gaussians(radius: float) -> int:
    """Return the number of Gaussians, from 0 Å on, that cover a cutoff radius in Å.

    >>> count_gaussians(8.0)
    41
    """
    return round(radius / GAUSSIAN_STEP) + 1


def expand_distances(distances: Tensor, count: int) -> Tensor:
    """Expand distances in Gaussians, exp(-(d - µ)² / σ²), the bond features of the paper.

    Args:
        distances: float32 (...), Å.
        count: Number G of centres µ = 0, σ, 2σ, …

    Returns:
        float32 (..., G).

    Example:
        >>> expand_distances(torch.tensor([0.2]), 3)
        tensor([[0.3679, 1.0000, 0.3679]])
    """
    centres = torch.arange(count, dtype=distances.dtype, device=distances.device) * GAUSSIAN_STEP
    squares = (distances.unsqueeze(-1) - centres).div_(GAUSSIAN_STEP).square_()
    # values below exp(-50) would be denormal, and ten times as slow on a CPU
    return squares.clamp_(max=50.0).neg_().exp_()


class Bonds:
    """The bond features of U distances. Only a few Gaussians near each distance differ from 0.

    Args:
        distances: float32 (U,), Å. No gradient is computed for them.
        count: Number G of Gaussians.
    """

    def __init__(self, distances: Tensor, count: int) -> None:
        self.distances, self.count = distances, count

    @cached_property
    def features(self) -> Tensor:
        """The expansion, float32 (U, G)."""
        return expand_distances(self.distances, self.count)

    def times(self, weight: Tensor) -> Tensor:
        """Return the product of the features, (U, G), and the transpose of ``weight``, (B, G): float32 (U, B)."""
        if self.count < FEWEST_GAUSSIANS or not by_numba(self.distances, weight):
            return F.linear(self.features, weight)
        products: Tensor = _Products.apply(self.distances, weight)
        return products


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distances: Tensor, weight: Tensor) -> Tensor:
        from dh_project.cgcnn_mp.network.kernels import numba_layer

        ctx.save_for_backward(distances)
        ctx.count = weight.shape[1]
        products = torch.empty(len(distances), len(weight))
        numba_layer.expand_and_multiply(*arrays(distances), GAUSSIAN_STEP, *arrays(weight.t(), products))
        return products

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from dh_project.cgcnn_mp.network.kernels import numba_layer

        (distances,) = ctx.saved_tensors
        transposed = torch.empty(ctx.count, gradient.shape[1])
        numba_layer.multiply_expanded(*arrays(distances), GAUSSIAN_STEP, *arrays(gradient, transposed))
        return None, transposed.t()
