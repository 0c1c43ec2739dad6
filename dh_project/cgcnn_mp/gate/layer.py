"""A convolution around its gate: the bonds' shares before it, and the residual after it.

Each is one differentiable function that numba computes where it computes the gate, and plain torch elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dh_project.cgcnn_mp.batch_norm import WeightedBatchNorm
from dh_project.cgcnn_mp.gate.choice import kernels_for

GAUSSIAN_STEP = 0.2
"""Distance between the centres of the Gaussian expansion, and their width, Å."""
FEWEST_GAUSSIANS = 10
"""With fewer, the compiled loops do not know where to begin."""


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


def bond_shares(distances: Tensor, weight: Tensor) -> Tensor:
    """Apply a matrix to the Gaussians of distances, of which all but a few about each distance are nothing.

    Args:
        distances: float32 (U,), Å; takes no gradient.
        weight: (B, G).

    Returns:
        (U, B).
    """
    if not _by_numba(distances, weight) or weight.shape[1] < FEWEST_GAUSSIANS:
        return F.linear(expand_distances(distances, weight.shape[1]), weight)
    shares: Tensor = _BondShares.apply(distances, weight)
    return shares


def residual(atoms: Tensor, messages: Tensor, weights: Tensor, norm: WeightedBatchNorm) -> Tensor:
    """Return softplus(atoms + norm(messages)), all (N, A), where rows count as often as weights, (N,), say."""
    training = norm.training and len(messages) > 1
    if training != norm.training or not _by_numba(atoms, messages):
        return F.softplus(atoms + norm(messages, weights))
    outputs: Tensor = _Residual.apply(atoms, messages, norm.weight, norm.bias, weights, norm)
    return outputs


def _by_numba(*tensors: Tensor) -> bool:
    kernels = [kernels_for(tensor).__name__.rpartition(".")[2] for tensor in tensors]
    return all(name == "numba_gate" for name in kernels)


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


class _BondShares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distances: Tensor, weight: Tensor) -> Tensor:
        from dh_project.cgcnn_mp.gate import numba_layer

        ctx.save_for_backward(distances)
        ctx.count = weight.shape[1]
        shares = torch.empty(len(distances), len(weight))
        numba_layer.expand_and_multiply(*_arrays(distances), GAUSSIAN_STEP, *_arrays(weight.t(), shares))
        return shares

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from dh_project.cgcnn_mp.gate import numba_layer

        (distances,) = ctx.saved_tensors
        transposed = torch.empty(ctx.count, gradient.shape[1])
        numba_layer.multiply_expanded(*_arrays(distances), GAUSSIAN_STEP, *_arrays(gradient, transposed))
        return None, transposed.t()


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        atoms: Tensor,
        messages: Tensor,
        weight: Tensor,
        bias: Tensor,
        weights: Tensor,
        norm: WeightedBatchNorm,
    ) -> Tensor:
        from dh_project.cgcnn_mp.gate import numba_layer

        if norm.training:
            statistics = torch.empty(2, messages.shape[1])
            numba_layer.sum_moments(*_arrays(messages, weights, statistics))
            mean, variance = statistics
            norm.observe(mean, variance, weights.sum())
        else:
            mean, variance = norm.running_mean, norm.running_var
        deviation = (variance + norm.eps).sqrt()
        constants = torch.stack([mean, weight / deviation, bias])
        out = torch.empty_like(messages)
        numba_layer.add_and_activate(*_arrays(atoms, messages, constants, out))
        ctx.training = norm.training
        ctx.save_for_backward(atoms, messages, weights, constants, deviation)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from dh_project.cgcnn_mp.gate import numba_layer

        atoms, messages, weights, constants, deviation = ctx.saved_tensors
        d_atoms, d_messages = torch.empty_like(atoms), torch.empty_like(messages)
        d_norm = torch.empty(2, atoms.shape[1])
        numba_layer.sum_activation_gradients(*_arrays(gradient, atoms, messages, constants, d_atoms, d_norm))
        d_norm[0] /= deviation
        owed = torch.zeros_like(d_norm)
        if ctx.training:
            owed = d_norm * (constants[1] / -weights.sum())
            owed[0] /= deviation
        numba_layer.through_normalisation(*_arrays(messages, weights, constants, owed, d_atoms, d_messages))
        return d_atoms, d_messages, d_norm[0], d_norm[1], None, None
