"""Distances as the features of bonds: Gaussians, and a matrix applied to them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels.arrays import arrays, by_numba

GAUSSIAN_STEP = 0.2
"""Distance between the centres of the Gaussian expansion, and their width, Å."""
FEWEST_GAUSSIANS = 10
"""With fewer, the compiled loops do not know where to begin."""


def count_gaussians(radius: float) -> int:
    """Return how many Gaussian centres, from 0 Å on, cover a cutoff radius in Å (8 Å: 41)."""
    return round(radius / GAUSSIAN_STEP) + 1


def expand_distances(distances: Tensor, count: int) -> Tensor:
    """Expand distances in Gaussians, exp(-(d - µ)² / σ²), the bond features of the paper.

    Args:
        distances: float32 (...), Å.
        count: Number G of centres µ = 0, σ, 2σ, …

    Returns:
        float32 (..., G).
    """
    centres = torch.arange(count, dtype=distances.dtype, device=distances.device) * GAUSSIAN_STEP
    squares = (distances.unsqueeze(-1) - centres).div_(GAUSSIAN_STEP).square_()
    # beyond exp(-50) lie denormal numbers, which cost a CPU ten times the time
    return squares.clamp_(max=50.0).neg_().exp_()


class Bonds:
    """The bond features of U distances, of which all but a few Gaussians about each distance are nothing.

    Args:
        distances: float32 (U,), Å; takes no gradient.
        count: Gaussians G.
    """

    def __init__(self, distances: Tensor, count: int) -> None:
        self.distances, self.count = distances, count

    @cached_property
    def features(self) -> Tensor:
        """The expansion, float32 (U, G)."""
        return expand_distances(self.distances, self.count)

    def times(self, weight: Tensor) -> Tensor:
        """Return the features times the transpose of ``weight``, (B, G): (U, B)."""
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
