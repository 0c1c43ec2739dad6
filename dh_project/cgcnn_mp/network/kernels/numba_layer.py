"""The compiled loops of a convolution before and after the gated sum: bond terms, and the residual."""

from __future__ import annotations

import numpy as np
from numba import njit

from dh_project.cgcnn_mp.network.kernels.numba_math import (
    LN_2,
    LOG2_E,
    LOWEST,
    ONE,
    OPTIONS,
    ZERO,
    Array,
    compiled,
    exp2,
    load,
    softplus_numerator,
    store,
)

TAPS = 10
"""Number of Gaussians near a distance that are used. All others are below exp(-25)."""
LANES = 16
"""Number of Gaussians that are computed together. It is larger than ``TAPS`` to fill a vector register."""
ROWS_A_FLUSH = 64
"""Rows that are summed in float32 before the sum is added to the float64 totals."""


@njit(**OPTIONS)
def flush(sums: Array, first: int, totals: Array) -> None:
    """Add two rows of sums, from ``first`` on, to the two rows of totals, and set them to zero."""
    for k in range(2):
        for c in range(sums.shape[1]):
            totals[k, c] += sums[first + k, c]
            sums[first + k, c] = ZERO


@njit(**OPTIONS)
def set_gaussians(distance: np.float32, step: np.float32, count: int, values: Array) -> int:
    """Set ``values`` to exp(-(d / step - k)^2) for consecutive k around d / step; return the first k."""
    first = min(max(int(distance / step) - (TAPS // 2 - 1), 0), count - TAPS)
    for tap in range(LANES):
        offset = (distance - np.float32(first + tap) * step) / step
        exponent = -LOG2_E * (offset * offset)
        store(values, 0, tap, exp2(LOWEST if exponent < LOWEST else exponent), 2)
    return first


@compiled("void(f4[::1],f4,f4[:,::1],f4[:,::1])")
def expand_and_multiply(distances: Array, step: np.float32, matrix: Array, out: Array) -> None:
    """Set ``out`` (U, B) to the Gaussians of the distances (U, G) times ``matrix`` (G, B), for G >= TAPS."""
    values = np.empty((1, LANES), np.float32)
    for u in range(len(distances)):
        k = set_gaussians(distances[u], step, len(matrix), values)
        for c in range(out.shape[1]):
            total = ZERO
            for tap in range(TAPS):
                total += load(values, 0, tap, 2) * load(matrix, k + tap, c, 0)
            store(out, u, c, total, 1)


@compiled("void(f4[::1],f4,f4[:,::1],f4[:,::1])")
def multiply_expanded(distances: Array, step: np.float32, gradient: Array, d_matrix: Array) -> None:
    """Set ``d_matrix`` (G, B) to the transposed Gaussians of the distances (G, U) times ``gradient`` (U, B)."""
    values = np.empty((1, LANES), np.float32)
    for k in range(len(d_matrix)):
        for c in range(d_matrix.shape[1]):
            d_matrix[k, c] = ZERO
    for u in range(len(distances)):
        k = set_gaussians(distances[u], step, len(d_matrix), values)
        for tap in range(TAPS):
            for c in range(d_matrix.shape[1]):
                d = load(d_matrix, k + tap, c, 1) + load(values, 0, tap, 2) * load(gradient, u, c, 0)
                store(d_matrix, k + tap, c, d, 1)


@compiled("void(f4[:,::1],f4[::1],f4[:,::1])")
def sum_moments(rows: Array, weights: Array, statistics: Array) -> None:
    """Set ``statistics`` (2, A) to the weighted mean and biased variance of the rows."""
    width = rows.shape[1]
    work = np.zeros(
        (3, width), np.float32
    )  # a pivot row, and the sums of offsets from it and of their squares
    totals = np.zeros((2, width))
    total = 0.0
    # the pivot is the mean of some rows, so the sums lose no digits if the mean is large
    step = len(rows) // 16 + 1
    samples = np.float32((len(rows) + step - 1) // step)
    for i in range(0, len(rows), step):
        for c in range(width):
            work[0, c] += rows[i, c] / samples
    for i in range(len(rows)):
        weight = weights[i]
        total += weight
        for c in range(width):
            offset = load(rows, i, c, 0) - load(work, 0, c, 0)
            store(work, 1, c, load(work, 1, c, 1) + weight * offset, 1)
            store(work, 2, c, load(work, 2, c, 2) + weight * (offset * offset), 2)
        if i % ROWS_A_FLUSH == 0 or i == len(rows) - 1:
            flush(work, 1, totals)
    for c in range(width):
        offset = totals[0, c] / total
        variance = totals[1, c] / total - offset * offset
        statistics[0, c] = work[0, c] + offset
        statistics[1, c] = 0.0 if variance < 0.0 else variance


@njit(**OPTIONS)
def activation_exponents(atom: np.float32, centred: np.float32, scale: np.float32, bias: np.float32) -> tuple:
    """Return x / log 2 and exp(-abs(x)) for x = atom + centred scale + bias, the argument of softplus."""
    exponent = LOG2_E * (atom + (centred * scale + bias))
    magnitude = -abs(exponent)
    return exponent, exp2(LOWEST if magnitude < LOWEST else magnitude)


@compiled("void(f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1])")
def add_and_activate(atoms: Array, rows: Array, norm: Array, out: Array) -> None:
    """Set ``out`` (N, A) to softplus(atoms + (rows - mean) scale + bias); ``norm`` has rows mean, scale, bias."""
    for i in range(len(rows)):
        for c in range(rows.shape[1]):
            centred = load(rows, i, c, 0) - load(norm, 0, c, 0)
            x, b = activation_exponents(
                load(atoms, i, c, 0), centred, load(norm, 1, c, 0), load(norm, 2, c, 0)
            )
            store(out, i, c, LN_2 * softplus_numerator(x, b) / (ONE + b), 1)


@compiled("void(f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1])")
def sum_activation_gradients(
    gradient: Array, atoms: Array, rows: Array, norm: Array, d_atoms: Array, d_norm: Array
) -> None:
    """Set ``d_atoms`` to the gradient d of the atoms, and ``d_norm`` (2, A) to the sums of d (rows - mean) and d."""
    width = rows.shape[1]
    work = np.zeros((2, width), np.float32)
    totals = np.zeros((2, width))
    for i in range(len(rows)):
        for c in range(width):
            centred = load(rows, i, c, 0) - load(norm, 0, c, 0)
            x, b = activation_exponents(
                load(atoms, i, c, 0), centred, load(norm, 1, c, 0), load(norm, 2, c, 0)
            )
            d = load(gradient, i, c, 0) * (b if x < ZERO else ONE) / (ONE + b)
            store(d_atoms, i, c, d, 1)
            store(work, 0, c, load(work, 0, c, 2) + d * centred, 2)
            store(work, 1, c, load(work, 1, c, 3) + d, 3)
        if i % ROWS_A_FLUSH == 0 or i == len(rows) - 1:
            flush(work, 0, totals)
    for k in range(2):
        for c in range(width):
            d_norm[k, c] = totals[k, c]


@compiled("void(f4[:,::1],f4[::1],f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1])")
def through_normalisation(
    rows: Array, weights: Array, norm: Array, owed: Array, d_atoms: Array, d_rows: Array
) -> None:
    """Set ``d_rows`` to d_atoms scale + (owed[0] (rows - mean) + owed[1]) weights."""
    for i in range(len(rows)):
        for c in range(rows.shape[1]):
            centred = load(rows, i, c, 0) - load(norm, 0, c, 0)
            share = load(owed, 0, c, 0) * centred + load(owed, 1, c, 0)
            store(d_rows, i, c, load(d_atoms, i, c, 0) * load(norm, 1, c, 0) + weights[i] * share, 1)
