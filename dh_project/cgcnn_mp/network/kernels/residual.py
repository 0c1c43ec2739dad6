"""The last part of a convolution: normalise the messages, add them to the atom features, and apply softplus."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dh_project.cgcnn_mp.network.batch_norm import WeightedBatchNorm
from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks
from dh_project.cgcnn_mp.network.kernels.choice import arrays, by_numba


def residual(
    atoms: Tensor, messages: Tensor, weights: Tensor, norm: WeightedBatchNorm, ranks: Ranks = ALONE
) -> Tensor:
    """Return softplus(atoms + norm(messages)).

    Args:
        atoms: (N, A), features of each class of atoms.
        messages: (N, A), gated sums over the neighbours.
        weights: (N,), how often each row counts in the normalisation.
        norm: The batch normalisation. In training mode it uses the rows of all ranks.
        ranks: The processes that share the batch.

    Returns:
        (N, A).
    """
    training = norm.training and (ranks.size > 1 or len(messages) > 1)
    if training != norm.training or not by_numba(atoms, messages):
        return F.softplus(atoms + norm(messages, weights, ranks))
    outputs: Tensor = _Residual.apply(atoms, messages, norm.weight, norm.bias, weights, norm, ranks)
    return outputs


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
        ranks: Ranks,
    ) -> Tensor:
        from dh_project.cgcnn_mp.network.kernels import numba_layer

        if norm.training:
            statistics = torch.empty(2, messages.shape[1])
            numba_layer.sum_moments(*arrays(messages, weights, statistics))
            mean, variance, ctx.total = ranks.pooled(statistics[0], statistics[1], weights.sum())
            norm.observe(mean, variance, ctx.total)
        else:
            mean, variance = norm.running_mean, norm.running_var
        deviation = (variance + norm.eps).sqrt()
        constants = torch.stack([mean, weight / deviation, bias])
        out = torch.empty_like(messages)
        numba_layer.add_and_activate(*arrays(atoms, messages, constants, out))
        ctx.training, ctx.ranks = norm.training, ranks
        ctx.save_for_backward(atoms, messages, weights, constants, deviation)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from dh_project.cgcnn_mp.network.kernels import numba_layer

        atoms, messages, weights, constants, deviation = ctx.saved_tensors
        d_atoms, d_messages = torch.empty_like(atoms), torch.empty_like(messages)
        d_norm = torch.empty(2, atoms.shape[1])
        numba_layer.sum_activation_gradients(*arrays(gradient, atoms, messages, constants, d_atoms, d_norm))
        d_norm[0] /= deviation
        owed = torch.zeros_like(d_norm)
        if ctx.training:
            owed = ctx.ranks.add(d_norm) * (constants[1] / -ctx.total)
            owed[0] /= deviation
        numba_layer.through_normalisation(*arrays(messages, weights, constants, owed, d_atoms, d_messages))
        return d_atoms, d_messages, d_norm[0], d_norm[1], None, None, None
