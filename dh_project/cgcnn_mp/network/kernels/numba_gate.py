"""The gated sum in compiled loops, for float32 on the CPU.

The loops visit the edges class by class and need no buffer of the size of the edges. The rows of a crystal are
consecutive, so they stay in the fastest cache. One thread computes, and the result does not depend on the number of
threads. The first import on a machine compiles the loops; later imports load them in a fraction of a second.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from dh_project.cgcnn_mp.network.kernels import numba_loops
from dh_project.cgcnn_mp.network.kernels.choice import arrays
from dh_project.cgcnn_mp.network.kernels.edges import Edges

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise ImportError("NUMBA_DISABLE_JIT is set, and these loops only run compiled")


def statistics(own: Tensor, other: Tensor, bond: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of z over all bonds, (2 A,) each."""
    results = torch.empty(2, own.shape[1])
    numba_loops.sum_statistics(
        *arrays(own, other, bond), *_lists(edges), *arrays(edges.multiplicities, results)
    )
    mean, variance = results
    return mean, variance


def forward(own: Tensor, other: Tensor, bond: Tensor, edges: Edges, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the gated sum over the neighbours of each class, (N, A), of z scale + shift."""
    out = torch.empty(len(own), own.shape[1] // 2)
    numba_loops.sum_messages(*arrays(own, other, bond), *_lists(edges), *arrays(scale, shift, out))
    return out


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
    rows, lists = arrays(own, other, bond), _lists(edges)
    d_rows = [torch.empty_like(part) for part in (own, other, bond)]
    d_norm = torch.empty(2, own.shape[1])
    numba_loops.sum_gradients(*arrays(gradient), *rows, *lists, *arrays(scale, shift, mean, *d_rows, d_norm))
    d_norm[0] /= deviation
    if total is not None:
        owed = edges.ranks.add(d_norm) * (scale / -total)
        owed[0] /= deviation
        numba_loops.add_through_statistics(*rows, *lists, *arrays(edges.multiplicities, mean, owed, *d_rows))
    d_own, d_other, d_bond = d_rows
    d_weight, d_bias = d_norm
    return d_own, d_other, d_bond, d_weight, d_bias


def _lists(edges: Edges) -> list[np.ndarray]:
    return arrays(edges.first, edges.neighbours, edges.shells, edges.repeats)
