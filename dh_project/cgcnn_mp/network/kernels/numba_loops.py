"""The compiled loops of ``numba_gate``, over classes, their edges, and channels. The channels are vectorised.

For an edge from class i to class j at distance u, z = own_i + other_j + bond_u. With the two halves
x1, x2 = z scale + shift, the edge contributes sigmoid(x1) softplus(x2). With a = exp(-x1) and b = exp(-abs(x2)), this
needs a single division:

    (max(x2, 0) (1 + b) + b L(b)) / ((1 + a) (1 + b))   with   L(b) = (1 + b) log(1 + b) / b

Softplus is computed in units of log 2, which are converted once for each class.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dh_project.cgcnn_mp.network.kernels.numba_math import (
    LN_2,
    LOG2_E,
    ONE,
    OPTIONS,
    ZERO,
    Array,
    compiled,
    exponentials,
    load,
    softplus_numerator,
    store,
)

EDGES_A_FLUSH = 64
"""Edges that are summed in float32 before the sum is added to the float64 totals."""


@compiled("void(f4[:,::1],f4[:,::1],f4[:,::1],i4[::1],i4[::1],i4[::1],f4[::1],f4[::1],f4[:,::1])")
def sum_statistics(
    own: Array,
    other: Array,
    bond: Array,
    first: Array,
    neighbours: Array,
    shells: Array,
    repeats: Array,
    multiplicities: Array,
    statistics: Array,
) -> None:
    """Set ``statistics`` (2, 2 A) to mean and biased variance of z over all bonds."""
    width = own.shape[1]
    work = np.zeros((4, width), np.float32)  # pivot, own - pivot, sum, sum of squares
    totals = np.zeros((2, width))
    total, samples, pending = 0.0, 0, 0
    # sums relative to a pivot near the mean lose no digits if the mean is large
    for i in range(0, len(own), len(own) // 16 + 1):
        if first[i] < first[i + 1]:
            samples += 1
            for c in range(width):
                work[0, c] += own[i, c] + other[neighbours[first[i]], c] + bond[shells[first[i]], c]
    for c in range(width):
        work[0, c] /= np.float32(max(samples, 1))
    for i in range(len(own)):
        for c in range(width):
            work[1, c] = own[i, c] - work[0, c]
        for e in range(first[i], first[i + 1]):
            j, u, weight = neighbours[e], shells[e], repeats[e] * multiplicities[i]
            total += weight
            pending += 1
            for c in range(width):
                z = load(work, 1, c, 0) + (load(other, j, c, 0) + load(bond, u, c, 0))
                store(work, 2, c, load(work, 2, c, 1) + weight * z, 1)
                store(work, 3, c, load(work, 3, c, 2) + weight * (z * z), 2)
        if pending > EDGES_A_FLUSH or i == len(own) - 1:
            pending = 0
            for c in range(width):
                totals[0, c] += work[2, c]
                totals[1, c] += work[3, c]
                work[2, c] = work[3, c] = ZERO
    for c in range(width):
        offset = totals[0, c] / total
        variance = totals[1, c] / total - offset * offset
        statistics[0, c] = work[0, c] + offset
        statistics[1, c] = 0.0 if variance < 0.0 else variance


@compiled("void(f4[:,::1],f4[:,::1],f4[:,::1],i4[::1],i4[::1],i4[::1],f4[::1],f4[::1],f4[::1],f4[:,::1])")
def sum_messages(
    own: Array,
    other: Array,
    bond: Array,
    first: Array,
    neighbours: Array,
    shells: Array,
    repeats: Array,
    scale: Array,
    shift: Array,
    out: Array,
) -> None:
    """Set ``out`` (N, A) to the gated sums."""
    width = own.shape[1] // 2
    work = np.empty((4, width), np.float32)  # for each half: factor of z, and the term of the class in x
    for c in range(width):
        work[0, c], work[1, c] = -LOG2_E * scale[c], LOG2_E * scale[width + c]
    for i in range(len(own)):
        for c in range(width):
            work[2, c] = own[i, c] * work[0, c] - LOG2_E * shift[c]
            work[3, c] = own[i, width + c] * work[1, c] + LOG2_E * shift[width + c]
            out[i, c] = ZERO
        for e in range(first[i], first[i + 1]):
            j, u, count = neighbours[e], shells[e], repeats[e]
            for c in range(width):
                z1 = load(other, j, c, 0) + load(bond, u, c, 0)
                z2 = load(other, j, width + c, 0) + load(bond, u, width + c, 0)
                x2 = z2 * load(work, 1, c, 0) + load(work, 3, c, 0)
                a, b = exponentials(z1 * load(work, 0, c, 0) + load(work, 2, c, 0), x2)
                message = softplus_numerator(x2, b) / ((ONE + a) * (ONE + b))
                store(out, i, c, load(out, i, c, 1) + count * message, 1)
        for c in range(width):
            out[i, c] *= LN_2


@njit(**OPTIONS)
def clear(rows: Array, start: int, stop: int) -> int:
    """Set the rows from ``start`` to ``stop`` to zero, and return the end of the cleared rows."""
    for k in range(start, stop):
        for c in range(rows.shape[1]):
            rows[k, c] = ZERO
    return max(start, stop)


@compiled(
    "void(f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1],i4[::1],i4[::1],i4[::1],f4[::1],f4[::1],f4[::1],f4[::1],"
    "f4[:,::1],f4[:,::1],f4[:,::1],f4[:,::1])"
)
def sum_gradients(
    gradient: Array,
    own: Array,
    other: Array,
    bond: Array,
    first: Array,
    neighbours: Array,
    shells: Array,
    repeats: Array,
    scale: Array,
    shift: Array,
    mean: Array,
    d_own: Array,
    d_other: Array,
    d_bond: Array,
    d_norm: Array,
) -> None:
    """Set the gradients as if mean and variance were constants.

    With the gradient d of z scale + shift, ``d_norm`` (2, 2 A) is set to the sums over all edges of d (z - mean) and
    d.
    """
    width = own.shape[1] // 2
    # for each half: 0, 1 factor of z - mean; 2, 3 x at the mean; 4, 5 factor of d; 6, 7 own - mean;
    # sums: 8, 9 d of a class; 10, 11 d (z - mean); 12, 13 d
    work = np.zeros((14, width), np.float32)
    totals = np.zeros((4, width))
    pending = other_rows = bond_rows = 0
    for c in range(width):
        work[0, c], work[1, c] = -LOG2_E * scale[c], LOG2_E * scale[width + c]
        work[2, c] = -LOG2_E * (shift[c] + mean[c] * scale[c])
        work[3, c] = LOG2_E * (shift[width + c] + mean[width + c] * scale[width + c])
        work[4, c], work[5, c] = LN_2 * scale[c], scale[width + c]
    for i in range(len(own)):
        for c in range(width):
            work[6, c], work[7, c] = own[i, c] - mean[c], own[i, width + c] - mean[width + c]
            work[8, c] = work[9, c] = ZERO
        for e in range(first[i], first[i + 1]):
            j, u, count = neighbours[e], shells[e], repeats[e]
            pending += 1
            # rows are cleared directly before their first use, so they are in the cache
            other_rows, bond_rows = clear(d_other, other_rows, j + 1), clear(d_bond, bond_rows, u + 1)
            for c in range(width):
                z1 = load(work, 6, c, 0) + (load(other, j, c, 0) + load(bond, u, c, 0))
                z2 = load(work, 7, c, 0) + (load(other, j, width + c, 0) + load(bond, u, width + c, 0))
                x2 = z2 * load(work, 1, c, 0) + load(work, 3, c, 0)
                a, b = exponentials(z1 * load(work, 0, c, 0) + load(work, 2, c, 0), x2)
                reciprocal = ONE / ((ONE + a) * (ONE + b))
                incoming = count * load(gradient, i, c, 0) * reciprocal
                d1 = incoming * softplus_numerator(x2, b) * (a * reciprocal * (ONE + b))
                d2 = incoming * (b if x2 < ZERO else ONE)
                store(work, 8, c, load(work, 8, c, 1) + d1, 1)
                store(work, 9, c, load(work, 9, c, 2) + d2, 2)
                store(work, 10, c, load(work, 10, c, 3) + d1 * z1, 3)
                store(work, 11, c, load(work, 11, c, 4) + d2 * z2, 4)
                d1 *= load(work, 4, c, 0)
                d2 *= load(work, 5, c, 0)
                store(d_other, j, c, load(d_other, j, c, 5) + d1, 5)
                store(d_other, j, width + c, load(d_other, j, width + c, 6) + d2, 6)
                store(d_bond, u, c, load(d_bond, u, c, 7) + d1, 7)
                store(d_bond, u, width + c, load(d_bond, u, width + c, 8) + d2, 8)
        for c in range(width):
            d_own[i, c], d_own[i, width + c] = work[8, c] * work[4, c], work[9, c] * work[5, c]
            work[12, c] += work[8, c]
            work[13, c] += work[9, c]
        if pending > EDGES_A_FLUSH or i == len(own) - 1:
            pending = 0
            for k in range(4):
                for c in range(width):
                    totals[k, c] += work[10 + k, c]
                    work[10 + k, c] = ZERO
    clear(d_other, other_rows, len(d_other))
    clear(d_bond, bond_rows, len(d_bond))
    for k in range(2):
        for c in range(width):
            d_norm[k, c], d_norm[k, width + c] = totals[2 * k, c] * LN_2, totals[2 * k + 1, c]


@compiled(
    "void(f4[:,::1],f4[:,::1],f4[:,::1],i4[::1],i4[::1],i4[::1],f4[::1],f4[::1],f4[::1],f4[:,::1],"
    "f4[:,::1],f4[:,::1],f4[:,::1])"
)
def add_through_statistics(
    own: Array,
    other: Array,
    bond: Array,
    first: Array,
    neighbours: Array,
    shells: Array,
    repeats: Array,
    multiplicities: Array,
    mean: Array,
    owed: Array,
    d_own: Array,
    d_other: Array,
    d_bond: Array,
) -> None:
    """Add the gradients through mean and variance: owed[0] (z - mean) + owed[1] for each bond."""
    width = own.shape[1]
    work = np.empty((2, width), np.float32)  # the term of the class, and its sum
    for i in range(len(own)):
        for c in range(width):
            work[0, c] = owed[0, c] * (own[i, c] - mean[c]) + owed[1, c]
            work[1, c] = ZERO
        for e in range(first[i], first[i + 1]):
            j, u, weight = neighbours[e], shells[e], repeats[e] * multiplicities[i]
            for c in range(width):
                z = load(other, j, c, 0) + load(bond, u, c, 0)
                d = weight * (load(work, 0, c, 0) + load(owed, 0, c, 0) * z)
                store(work, 1, c, load(work, 1, c, 1) + d, 1)
                store(d_other, j, c, load(d_other, j, c, 2) + d, 2)
                store(d_bond, u, c, load(d_bond, u, c, 3) + d, 3)
        for c in range(width):
            d_own[i, c] += work[1, c]
