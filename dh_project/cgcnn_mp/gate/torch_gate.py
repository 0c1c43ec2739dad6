"""The gated sum in plain torch, on any device and in any precision: what the other kernels are checked against."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dh_project.cgcnn_mp.gate.edges import Edges


def _gates(own: Tensor, other: Tensor, bond: Tensor, edges: Edges) -> Tensor:
    """Return what enters the gate of each edge, (E, 2 A)."""
    gates = own.index_select(0, edges.classes)
    gates += other.index_select(0, edges.neighbours)
    gates += bond.index_select(0, edges.shells)
    return gates


def variance(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, mean: Tensor) -> Tensor:
    """Return the variance of the gates' inputs over all bonds about their ``mean``, (2 A,)."""
    centred = _gates(own, other, bond, edges).sub_(mean)
    return (edges.weights @ centred.square_()) / edges.total


def forward(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the sum over the neighbours of each class, (N, A)."""
    strength, core = torch.addcmul(shift, _gates(own, other, bond, edges), scale).chunk(2, dim=1)
    messages = torch.sigmoid(strength).mul_(F.softplus(core)).mul_(edges.repeats.unsqueeze(1))
    return own.new_zeros(len(own), messages.shape[1]).index_add_(0, edges.classes, messages)


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
    training: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of ``own``, ``other``, ``bond``, and of the normalisation's weight and bias."""
    gates = _gates(own, other, bond, edges)
    strength, core = torch.addcmul(shift, gates, scale).chunk(2, dim=1)
    sigmoid = torch.sigmoid(strength)
    incoming = gradient.index_select(0, edges.classes) * edges.repeats.unsqueeze(1) * sigmoid
    slopes = torch.cat([incoming * F.softplus(core) * (1 - sigmoid), incoming * torch.sigmoid(core)], dim=1)
    normalised = gates.sub_(mean).div_(deviation)
    d_weight, d_bias = (slopes * normalised).sum(0), slopes.sum(0)
    if training:
        shares = (edges.weights / edges.total).unsqueeze(1)
        slopes -= shares * (d_bias + normalised * d_weight)
    slopes *= scale
    return (
        torch.zeros_like(own).index_add_(0, edges.classes, slopes),
        torch.zeros_like(other).index_add_(0, edges.neighbours, slopes),
        torch.zeros_like(bond).index_add_(0, edges.shells, slopes),
        d_weight,
        d_bias,
    )
