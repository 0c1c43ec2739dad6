"""The gated sum in torch, for any device and precision. It is the reference for the other kernels.

``embedding_bag`` gathers and sums rows in one pass, several times faster than ``index_select`` and ``index_add``. The
two halves of z are separate tensors, because sigmoid and softplus are not vectorised on strided halves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels.edges import Edges


def _gates(own: Tensor, other: Tensor, bond: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Return the two halves of z for each edge, (E, A) each."""
    size = len(own)
    ends = torch.stack([edges.classes, edges.neighbours + size, edges.shells + 2 * size], dim=1)
    halves = zip(*(part.chunk(2, dim=1) for part in (own, other, bond)), strict=True)
    strength, core = (F.embedding_bag(ends, torch.cat(half), mode="sum") for half in halves)
    return strength, core


def _sums(rows: Tensor, edges: Edges, weights: Tensor | None = None) -> Tensor:
    """Return the sums of rows, (E, A), over the edges of each class, (N, A)."""
    everything = torch.arange(len(rows), dtype=edges.first.dtype, device=rows.device)
    return F.embedding_bag(
        everything, rows, edges.first, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def statistics(own: Tensor, other: Tensor, bond: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of z over all bonds, (2 A,) each."""
    weights = (edges.class_weights, edges.neighbour_weights, edges.shell_weights)
    sums = [weight.to(own.dtype) @ rows for weight, rows in zip(weights, (own, other, bond), strict=True)]
    mean = sum(sums[1:], sums[0]) / edges.total
    return mean, variance(own, other, bond, edges, mean)


def variance(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, mean: Tensor) -> Tensor:
    """Return the biased variance of z over all bonds, (2 A,), given its mean."""
    shares = (edges.weights / edges.total).to(own.dtype)
    return torch.cat([shares @ half.square_() for half in _gates(own - mean, other, bond, edges)])


def forward(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the gated sum over the neighbours of each class, (N, A), of z scale + shift."""
    strength, core = _gates(torch.addcmul(shift, own, scale), other * scale, bond * scale, edges)
    return _sums(strength.sigmoid_().mul_(F.softplus(core)), edges, edges.repeats.to(own.dtype))


def backward(
    gradient: Tensor,
    own: Tensor,
    other: Tensor,
    bond: Tensor,
    edges: Edges,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    deviation: Tensor,
    total: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of ``own``, ``other``, ``bond``, and of the weight and bias of the normalisation.

    ``mean`` and ``deviation`` are statistics of the ``total`` bonds of all ranks, and gradients go through them. If
    ``total`` is None, they are constants.
    """
    centred = _gates(own - mean, other, bond, edges)
    scales, starts = scale.chunk(2), torch.addcmul(shift, mean, scale).chunk(2)
    strength, core = (torch.addcmul(*parts) for parts in zip(starts, centred, scales, strict=True))
    sigmoid = strength.sigmoid_()
    incoming = F.embedding_bag(
        edges.classes.unsqueeze(1),
        gradient,
        mode="sum",
        per_sample_weights=edges.repeats.to(own.dtype).unsqueeze(1),
    ).mul_(sigmoid)
    slopes = F.softplus(core).mul_(incoming), core.sigmoid_().mul_(incoming)
    slopes[0].addcmul_(slopes[0], sigmoid, value=-1)
    neighbours, shells = edges.neighbours.long(), edges.shells.long()  # index_add_ is slow with int32
    parts = []
    for slope, gate, factor, width in zip(slopes, centred, scales, deviation.chunk(2), strict=True):
        d_weight, d_bias = (slope * gate).sum(0) / width, slope.sum(0)
        if total is not None:
            shares = (edges.weights / total).to(own.dtype).unsqueeze(1)
            through_deviation, through_mean = edges.ranks.add(torch.stack([d_weight, d_bias]))
            slope -= gate.mul_(through_deviation / width).add_(through_mean).mul_(shares)
        d_own = _sums(slope, edges)
        d_other = torch.zeros(len(other), len(factor), dtype=own.dtype, device=own.device)
        d_bond = torch.zeros(len(bond), len(factor), dtype=own.dtype, device=own.device)
        d_other.index_add_(0, neighbours, slope)
        d_bond.index_add_(0, shells, slope)
        parts.append((d_own.mul_(factor), d_other.mul_(factor), d_bond.mul_(factor), d_weight, d_bias))
    d_own, d_other, d_bond, d_weight, d_bias = (torch.cat(both, dim=-1) for both in zip(*parts, strict=True))
    return d_own, d_other, d_bond, d_weight, d_bias
