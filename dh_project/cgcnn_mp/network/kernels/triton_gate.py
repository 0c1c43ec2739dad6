"""The gated sum as Triton kernels, for float32, bfloat16 and float16 on a GPU.

The values of an edge stay in registers, so no buffer has the size of edges times channels. The kernels compute and
sum in float32, whatever the precision of their inputs. Launches depend only on shapes and never wait for the device,
so they can be captured in a CUDA graph.

Sums over the edges of a class, and over all edges, have a fixed order. The gradients of neighbours and distances are
summed by atomic additions, as in ``index_add`` on a GPU, so their last bits differ between runs.
"""

# ruff: noqa: ANN001, ANN202  # the arguments of kernels are pointers, and compile-time constants
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels.edges import Edges

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Precisions of the inputs. The kernels compute in float32."""

BLOCK_EDGES = 8
"""Edges that a program gathers at once. Most classes have no more than this."""

BLOCK_CHANNELS = 64
"""Channels that a program computes, at most."""

WARPS = 4

PARTIAL_SUMS = 1024
"""Largest number of programs that share a sum over all edges."""


@triton.jit
def _softplus(x):
    """Return log(1 + exp(x)) without overflow, with the absolute error of float32 at 1."""
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def _rows(values, rows, channels, present, WIDTH: tl.constexpr):
    """Load channels of rows, float32 (rows, channels)."""
    # 64-bit offsets, because a large batch has more values than int32 can count
    return tl.load(
        values + rows.to(tl.int64)[:, None] * WIDTH + channels[None, :], mask=present, other=0.0
    ).to(tl.float32)


@triton.jit
def _gates(own, other, bond, i, j, u, channels, present, WIDTH: tl.constexpr):
    """Return z for edges from classes i to classes j at distances u, (edges, channels)."""
    gates = _rows(own, i, channels, present, WIDTH)
    gates += _rows(other, j, channels, present, WIDTH)
    return gates + _rows(bond, u, channels, present, WIDTH)


@triton.jit
def _normalise(gates, scale, shift, channels, inside):
    """Return z scale + shift."""
    scales = tl.load(scale + channels, mask=inside, other=0.0)
    return gates * scales[None, :] + tl.load(shift + channels, mask=inside, other=0.0)[None, :]


@triton.jit
def _slopes(incoming, strength, core):
    """Return the gradients with respect to the two normalised halves of z."""
    sigmoid = tl.sigmoid(strength)
    return incoming * sigmoid * (1.0 - sigmoid) * _softplus(core), incoming * sigmoid * tl.sigmoid(core)


@triton.jit(do_not_specialize=["edge_count"])
def _moments_kernel(
    own, other, bond, classes, neighbours, shells, repeats, multiplicities, mean, partial_sums, edge_count,
    SECOND: tl.constexpr, WIDTH: tl.constexpr, EDGES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Sum z, or its squared distance from the mean, over the program's share of the bonds."""
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < WIDTH
    total = tl.zeros((CHANNELS,), tl.float32)
    for start in range(tl.program_id(0) * EDGES, edge_count, tl.num_programs(0) * EDGES):
        edges = start + tl.arange(0, EDGES)
        exist = edges < edge_count
        i = tl.load(classes + edges, mask=exist, other=0)
        j = tl.load(neighbours + edges, mask=exist, other=0)
        u = tl.load(shells + edges, mask=exist, other=0)
        weights = tl.load(repeats + edges, mask=exist, other=0.0)
        weights *= tl.load(multiplicities + i, mask=exist, other=0.0)
        present = exist[:, None] & inside[None, :]
        values = _gates(own, other, bond, i, j, u, channels, present, WIDTH)
        if SECOND:
            values -= tl.load(mean + channels, mask=inside, other=0.0)[None, :]
            values *= values
        total += tl.sum(weights[:, None] * values, axis=0)
    tl.store(partial_sums + tl.program_id(0) * WIDTH + channels, total, mask=inside)


@triton.jit
def _forward_kernel(
    own, other, bond, first, neighbours, shells, repeats, scale, shift, outputs,
    WIDTH: tl.constexpr, EDGES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Compute the gated sum of one class. WIDTH is the width of the outputs, half of that of z."""
    row = tl.program_id(0)
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < WIDTH
    last = tl.load(first + row + 1)
    total = tl.zeros((CHANNELS,), tl.float32)
    for start in range(tl.load(first + row), last, EDGES):
        edges = start + tl.arange(0, EDGES)
        exist = edges < last
        i = tl.full((EDGES,), 0, tl.int32) + row
        j = tl.load(neighbours + edges, mask=exist, other=0)
        u = tl.load(shells + edges, mask=exist, other=0)
        count = tl.load(repeats + edges, mask=exist, other=0.0)
        present = exist[:, None] & inside[None, :]
        strength = _gates(own, other, bond, i, j, u, channels, present, 2 * WIDTH)
        core = _gates(own, other, bond, i, j, u, WIDTH + channels, present, 2 * WIDTH)
        strength = _normalise(strength, scale, shift, channels, inside)
        core = _normalise(core, scale, shift, WIDTH + channels, inside)
        total += tl.sum(count[:, None] * tl.sigmoid(strength) * _softplus(core), axis=0)
    tl.store(outputs + row.to(tl.int64) * WIDTH + channels, total, mask=inside)


@triton.jit(do_not_specialize=["edge_count"])
def _slope_sums_kernel(
    gradient, own, other, bond, classes, neighbours, shells, repeats, scale, shift, mean, deviation,
    partial_sums, edge_count, WIDTH: tl.constexpr, EDGES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Sum the slopes, and the slopes times normalised z, over the program's share of the edges."""
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < WIDTH
    strength_mean = tl.load(mean + channels, mask=inside, other=0.0)[None, :]
    core_mean = tl.load(mean + WIDTH + channels, mask=inside, other=0.0)[None, :]
    strength_deviation = tl.load(deviation + channels, mask=inside, other=1.0)
    core_deviation = tl.load(deviation + WIDTH + channels, mask=inside, other=1.0)
    strength_bias = tl.zeros((CHANNELS,), tl.float32)
    core_bias = tl.zeros((CHANNELS,), tl.float32)
    strength_weight = tl.zeros((CHANNELS,), tl.float32)
    core_weight = tl.zeros((CHANNELS,), tl.float32)
    for start in range(tl.program_id(0) * EDGES, edge_count, tl.num_programs(0) * EDGES):
        edges = start + tl.arange(0, EDGES)
        exist = edges < edge_count
        i = tl.load(classes + edges, mask=exist, other=0)
        j = tl.load(neighbours + edges, mask=exist, other=0)
        u = tl.load(shells + edges, mask=exist, other=0)
        count = tl.load(repeats + edges, mask=exist, other=0.0)
        present = exist[:, None] & inside[None, :]
        strength = _gates(own, other, bond, i, j, u, channels, present, 2 * WIDTH)
        core = _gates(own, other, bond, i, j, u, WIDTH + channels, present, 2 * WIDTH)
        incoming = _rows(gradient, i, channels, present, WIDTH) * count[:, None]
        strength_slopes, core_slopes = _slopes(
            incoming,
            _normalise(strength, scale, shift, channels, inside),
            _normalise(core, scale, shift, WIDTH + channels, inside),
        )
        strength_bias += tl.sum(strength_slopes, axis=0)
        core_bias += tl.sum(core_slopes, axis=0)
        strength_weight += tl.sum(strength_slopes * (strength - strength_mean), axis=0)
        core_weight += tl.sum(core_slopes * (core - core_mean), axis=0)
    target = partial_sums + tl.program_id(0) * 4 * WIDTH + channels
    tl.store(target, strength_bias, mask=inside)
    tl.store(target + WIDTH, core_bias, mask=inside)
    tl.store(target + 2 * WIDTH, strength_weight / strength_deviation, mask=inside)
    tl.store(target + 3 * WIDTH, core_weight / core_deviation, mask=inside)


@triton.jit
def _less_common_share(
    slopes, gates, weights, shares, mean, deviation, channels, inside, WIDTH: tl.constexpr
):
    """Subtract the gradient through mean and variance from the slopes; ``shares`` is (2, WIDTH)."""
    centre = tl.load(mean + channels, mask=inside, other=0.0)[None, :]
    spread = tl.load(deviation + channels, mask=inside, other=1.0)[None, :]
    of_bias = tl.load(shares + channels, mask=inside, other=0.0)[None, :]
    of_weight = tl.load(shares + WIDTH + channels, mask=inside, other=0.0)[None, :]
    return slopes - weights[:, None] * (of_bias + (gates - centre) / spread * of_weight)


@triton.jit
def _backward_kernel(
    gradient, own, other, bond, first, neighbours, shells, repeats, multiplicities, scale, shift,
    mean, deviation, shares, d_own, d_other, d_bond,
    TRAINING: tl.constexpr, WIDTH: tl.constexpr, EDGES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Distribute the gradient of one class to itself, to its neighbours and to their distances."""
    row = tl.program_id(0)
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channels < WIDTH
    last = tl.load(first + row + 1)
    multiplicity = tl.load(multiplicities + row)
    strength_scale = tl.load(scale + channels, mask=inside, other=0.0)[None, :]
    core_scale = tl.load(scale + WIDTH + channels, mask=inside, other=0.0)[None, :]
    strength_total = tl.zeros((CHANNELS,), tl.float32)
    core_total = tl.zeros((CHANNELS,), tl.float32)
    for start in range(tl.load(first + row), last, EDGES):
        edges = start + tl.arange(0, EDGES)
        exist = edges < last
        i = tl.full((EDGES,), 0, tl.int32) + row
        j = tl.load(neighbours + edges, mask=exist, other=0)
        u = tl.load(shells + edges, mask=exist, other=0)
        count = tl.load(repeats + edges, mask=exist, other=0.0)
        present = exist[:, None] & inside[None, :]
        strength = _gates(own, other, bond, i, j, u, channels, present, 2 * WIDTH)
        core = _gates(own, other, bond, i, j, u, WIDTH + channels, present, 2 * WIDTH)
        incoming = _rows(gradient, i, channels, present, WIDTH) * count[:, None]
        strength_slopes, core_slopes = _slopes(
            incoming,
            _normalise(strength, scale, shift, channels, inside),
            _normalise(core, scale, shift, WIDTH + channels, inside),
        )
        if TRAINING:
            weights = count * multiplicity
            strength_slopes = _less_common_share(
                strength_slopes, strength, weights, shares, mean, deviation, channels, inside, 2 * WIDTH
            )
            core_slopes = _less_common_share(
                core_slopes, core, weights, shares, mean, deviation, WIDTH + channels, inside, 2 * WIDTH
            )
        strength_slopes *= strength_scale
        core_slopes *= core_scale
        strength_total += tl.sum(strength_slopes, axis=0)
        core_total += tl.sum(core_slopes, axis=0)
        at_neighbour = d_other + j.to(tl.int64)[:, None] * (2 * WIDTH) + channels[None, :]
        tl.atomic_add(at_neighbour, strength_slopes, mask=present, sem="relaxed")
        tl.atomic_add(at_neighbour + WIDTH, core_slopes, mask=present, sem="relaxed")
        at_distance = d_bond + u.to(tl.int64)[:, None] * (2 * WIDTH) + channels[None, :]
        tl.atomic_add(at_distance, strength_slopes, mask=present, sem="relaxed")
        tl.atomic_add(at_distance + WIDTH, core_slopes, mask=present, sem="relaxed")
    at_own = d_own + row.to(tl.int64) * (2 * WIDTH) + channels
    tl.store(at_own, strength_total, mask=inside)
    tl.store(at_own + WIDTH, core_total, mask=inside)


def _launch(kernel: Any, programs: int, width: int, *arguments: Any, **constants: Any) -> None:
    """Run a kernel on the device of its tensors, with a number of programs for each block of channels."""
    block = min(triton.next_power_of_2(width), BLOCK_CHANNELS)
    with torch.cuda.device_of(arguments[0]):
        kernel[(programs, triton.cdiv(width, block))](
            *arguments, WIDTH=width, EDGES=BLOCK_EDGES, CHANNELS=block, num_warps=WARPS, **constants
        )


def _partial_sums(edges: Edges) -> int:
    return min(max(triton.cdiv(len(edges.repeats), BLOCK_EDGES), 1), PARTIAL_SUMS)


def statistics(own: Tensor, other: Tensor, bond: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of z over all bonds, float32 (2 A,) each."""
    mean = _moment(own, other, bond, edges, None)
    return mean, _moment(own, other, bond, edges, mean)


def _moment(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, mean: Tensor | None) -> Tensor:
    """Return the mean of z, or its biased variance if the mean is given."""
    programs, width = _partial_sums(edges), own.shape[1]
    sums = torch.empty(programs, width, device=own.device)
    _launch(
        _moments_kernel, programs, width, own.contiguous(), other.contiguous(), bond.contiguous(),
        edges.classes, edges.neighbours, edges.shells, edges.repeats, edges.multiplicities,
        sums if mean is None else mean, sums, len(edges.repeats), SECOND=mean is not None,
    )  # fmt: skip
    return sums.sum(0) / edges.total


def forward(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the gated sum over the neighbours of each class, float32 (N, A), of z scale + shift."""
    width = own.shape[1] // 2
    outputs = torch.empty(len(own), width, device=own.device)
    _launch(
        _forward_kernel, len(own), width, own.contiguous(), other.contiguous(), bond.contiguous(),
        edges.first, edges.neighbours, edges.shells, edges.repeats, scale, shift, outputs,
    )  # fmt: skip
    return outputs


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
    programs, width = _partial_sums(edges), own.shape[1] // 2
    gradient, values = gradient.contiguous(), (own.contiguous(), other.contiguous(), bond.contiguous())
    sums = torch.empty(programs, 2, 2 * width, device=own.device)
    _launch(
        _slope_sums_kernel, programs, width, gradient, *values, edges.classes, edges.neighbours, edges.shells,
        edges.repeats, scale, shift, mean, deviation, sums, len(edges.repeats),
    )  # fmt: skip
    of_normalisation = sums.sum(0)
    shares = of_normalisation if total is None else edges.ranks.add(of_normalisation) / total
    d_own = torch.empty(own.shape, device=own.device)
    d_other, d_bond = (torch.zeros(part.shape, device=own.device) for part in (other, bond))
    _launch(
        _backward_kernel, len(own), width, gradient, *values, edges.first, edges.neighbours, edges.shells,
        edges.repeats, edges.multiplicities, scale, shift, mean, deviation, shares, d_own, d_other, d_bond,
        TRAINING=total is not None,
    )  # fmt: skip
    d_bias, d_weight = of_normalisation
    return d_own.to(own.dtype), d_other.to(other.dtype), d_bond.to(bond.dtype), d_weight, d_bias
