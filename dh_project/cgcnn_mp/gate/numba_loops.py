"""The compiled loops of ``numba_gate``: over classes, their edges, and channels, the last in vector registers.

What enters the gate of an edge from class i to class j at distance u is z = own_i + other_j + bond_u. With
x1, x2 = z scale + shift it hands on sigmoid(x1) softplus(x2). With a = exp(-x1), b = exp(-abs(x2)) that is

    (max(x2, 0) (1 + b) + b L(b)) / ((1 + a) (1 + b)),   where L(b) = (1 + b) log(1 + b) / b,

one division. A loop that calls ``exp`` or ``log`` does not vectorise: here they are polynomials. Exponents are
taken to base 2, so that softplus comes in units of log 2 until the end of a class.

Everything stays in one file, since numba compiles again only where the file of a function has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Array = np.ndarray

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    # fused multiply-add, but no reordering (it would undo the rounding in exp2), and NaN stays NaN
    "fastmath": {"contract", "nsz", "arcp"},
}
EDGES_A_FLUSH = 64
"""Edges that are summed in float32 before they go to the float64 totals."""

LOG2_E, LN_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
ZERO, ONE = np.float32(0), np.float32(1)
ROUND = np.float32(1.5 * 2**23)
"""Added to a small number, leaves its nearest integer in the last bits."""
LOWEST, HIGHEST = np.float32(-126), np.float32(80)
"""Exponents of 2 beyond which sigmoid and softplus are, in float32, where they are going."""
# minimax: 2^r for abs(r) <= 1/2, relative error 7.5e-8
E0, E1, E2, E3, E4, E5 = map(
    np.float32, (1.00000007165, 0.69314696706, 0.2402211972, 0.05550713274, 0.00967554133, 0.00132764719)
)
# minimax: (1 + b) log2(1 + b) / b for 0 <= b <= 1, relative error 2.4e-8
L0, L1, L2, L3 = map(np.float32, (1.44269507533, 0.72134253186, -0.24033140816, 0.11915725594))
L4, L5, L6, L7 = map(np.float32, (-0.06726000634, 0.03529882992, -0.01341061066, 0.00250837986))


SPACES = 10
"""Space 0 holds all that a loop only reads; each thing that it writes has one of its own. See ``load``."""


def compiled(signature: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile now, or load what an earlier process compiled; where nothing can be kept, only compile."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        try:
            return njit(signature, cache=True, **OPTIONS)(function)
        except RuntimeError:  # no folder for the cache can be written to
            return njit(signature, **OPTIONS)(function)

    return decorate


def _element(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    """Return the address of ``array[row, column]``, unchecked."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    indices = [
        context.cast(builder, value, kind, types.intp)
        for value, kind in zip(arguments[1:3], signature.args[1:3], strict=True)
    ]
    shape, strides = (cgutils.unpack_tuple(builder, part) for part in (array.shape, array.strides))
    return cgutils.get_item_pointer2(context, builder, array.data, shape, strides, "C", indices)


def _in_space(access: ir.Instruction, builder: ir.IRBuilder, space: int) -> ir.Instruction:
    """Tell LLVM that no access of another space touches what this one does."""
    module = builder.module
    domain = module.add_metadata(["dh_project.gate"])
    spaces = [module.add_metadata([f"dh_project.gate.{number}", domain]) for number in range(SPACES)]
    access.set_metadata("alias.scope", module.add_metadata([spaces.pop(space)]))
    access.set_metadata("noalias", module.add_metadata(spaces))
    return access


@intrinsic(prefer_literal=True)
def load(typing_context, array, row, column, space):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Return ``array[row, column]``, with a promise that no access of another space touches it.

    Without it LLVM guards each loop by comparing the addresses of all arrays, or leaves it scalar.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        access = builder.load(_element(context, builder, signature, arguments))
        return _in_space(access, builder, space.literal_value)

    return array.dtype(array, row, column, space), generate


@intrinsic(prefer_literal=True)
def store(typing_context, array, row, column, value, space):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Set ``array[row, column]``, with the same promise as ``load``."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        access = builder.store(arguments[3], _element(context, builder, signature, arguments))
        _in_space(access, builder, space.literal_value)
        return context.get_dummy_value()

    return types.void(array, row, column, array.dtype, space), generate


@njit(**OPTIONS)
def exp2(t: np.float32) -> np.float32:
    """Return 2^t for -126 <= t <= 127: a polynomial of the fraction, the integer into the exponent's bits."""
    rounded = t + ROUND
    r = t - (rounded - ROUND)
    fraction = np.float32(E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * E5)))))
    bits = fraction.view(np.int32) + (np.float32(rounded).view(np.int32) << np.int32(23))
    return np.int32(bits).view(np.float32)


@njit(**OPTIONS)
def exponentials(x1: np.float32, x2: np.float32) -> tuple[np.float32, np.float32]:
    """Return 2^x1 and 2^-abs(x2), NaN for NaN: each comparison is such that NaN falls through it."""
    x1 = LOWEST if x1 < LOWEST else x1
    x1 = HIGHEST if x1 > HIGHEST else x1
    x2 = -abs(x2)
    x2 = LOWEST if x2 < LOWEST else x2
    return exp2(x1), exp2(x2)


@njit(**OPTIONS)
def softplus_numerator(x2: np.float32, b: np.float32) -> np.float32:
    """Return (1 + b) log2(1 + 2^x2), where b = 2^-abs(x2)."""
    logarithm = L0 + b * (L1 + b * (L2 + b * (L3 + b * (L4 + b * (L5 + b * (L6 + b * L7))))))
    return (ZERO if x2 < ZERO else x2) * (ONE + b) + b * logarithm


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
    """Set ``statistics`` (2, 2 A) to mean and biased variance over all bonds."""
    width = own.shape[1]
    work = np.zeros((4, width), np.float32)  # pivot, own less pivot, sum, sum of squares
    totals = np.zeros((2, width))
    total, samples, pending = 0.0, 0, 0
    # sums about a pivot that lies near the mean lose no digits where the mean is large
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
    work = np.empty((4, width), np.float32)  # of both halves: factor of z, and the class's share of x
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

    ``d_norm`` (2, 2 A) gets the sums over all edges of d (z - mean) and of d, where d is the gradient of
    z scale + shift.
    """
    width = own.shape[1] // 2
    # of both halves: 0, 1 factor of z - mean; 2, 3 x at the mean; 4, 5 factor of d; 6, 7 own less mean;
    # sums: 8, 9 d of a class; 10, 11 d (z - mean); 12, 13 d
    work = np.zeros((14, width), np.float32)
    totals = np.zeros((4, width))
    pending = 0
    for rows in (d_other, d_bond):
        for k in range(len(rows)):
            for c in range(2 * width):
                rows[k, c] = ZERO
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
    """Add to the gradients what goes through mean and variance: owed[0] (z - mean) + owed[1], a bond."""
    width = own.shape[1]
    work = np.empty((2, width), np.float32)  # the class's share, and its sum
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
