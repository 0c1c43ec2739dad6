"""The gated sum as a differentiable function, for all kernels."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dh_project.cgcnn_mp.network.batch_norm import BatchNorm
from dh_project.cgcnn_mp.network.kernels.choice import kernels_for
from dh_project.cgcnn_mp.network.kernels.edges import Edges


def gated_sum(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, norm: BatchNorm) -> Tensor:
    """Return the sum over the neighbours of each class in equation 5 of the paper (without the residual).

    For an edge from class i to class j at distance u, z = own_i + other_j + bond_u, batch-normalised over all bonds
    of the batch. With its halves z = (z1, z2), the edge contributes sigmoid(z1) softplus(z2) to the sum of class i.

    Args:
        own: (N, 2 A), the term of the class itself, including the bias.
        other: (N, 2 A), the term of the neighbour.
        bond: (U, 2 A), the term of the distance.
        edges: The neighbours of each class.
        norm: The batch normalisation of z. In training mode its running statistics are updated.

    Returns:
        (N, A).
    """
    several = edges.ranks.size > 1 or len(edges.repeats) > 1 or float(edges.total) > 1
    total: Tensor | None = None
    with torch.no_grad():
        kernels = kernels_for(own)
        if norm.training and several:
            mean, variance = kernels.statistics(own, other, bond, edges)
            mean, variance, total = edges.ranks.pooled(mean, variance, edges.total)
            norm.observe(mean, variance, total)
        else:
            mean, variance = norm.running_mean, norm.running_var
        deviation = (variance + norm.eps).sqrt()
    outputs: Tensor = _GatedSum.apply(
        own, other, bond, norm.weight, norm.bias, edges, mean, deviation, total, kernels
    )
    return outputs


class _GatedSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        own: Tensor,
        other: Tensor,
        bond: Tensor,
        weight: Tensor,
        bias: Tensor,
        edges: Edges,
        mean: Tensor,
        deviation: Tensor,
        total: Tensor | None,
        kernels: ModuleType,
    ) -> Tensor:
        scale = weight / deviation
        shift = bias - mean * scale
        ctx.save_for_backward(own, other, bond, scale, shift, mean, deviation)
        ctx.edges, ctx.total, ctx.kernels = edges, total, kernels
        return kernels.forward(own, other, bond, edges, scale, shift)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        own, other, bond, scale, shift, mean, deviation = ctx.saved_tensors
        gradients = ctx.kernels.backward(
            gradient.contiguous(), own, other, bond, ctx.edges, scale, shift, mean, deviation, ctx.total
        )
        return (*gradients, None, None, None, None, None)
