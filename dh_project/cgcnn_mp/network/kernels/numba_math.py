"""Building blocks of the compiled loops: functions that vectorise, and memory accesses that LLVM knows not to alias.

A loop that calls ``exp`` or ``log`` does not vectorise, so here they are polynomials with a relative error below
4e-7. Exponents have base 2, so softplus is in units of log 2. NaN stays NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from dh_project.cgcnn_mp.graphs import compiling

Array = np.ndarray

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    # allows fused multiply-add, but no reordering, which would undo the rounding in exp2; NaN stays NaN
    "fastmath": {"contract", "nsz", "arcp"},
}
LOG2_E, LN_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)
ZERO, ONE = np.float32(0), np.float32(1)
ROUND = np.float32(1.5 * 2**23)
"""If this is added to a small number, the last bits of the sum are the nearest integer."""
LOWEST, HIGHEST = np.float32(-126), np.float32(80)
"""Exponents of 2 beyond which sigmoid and softplus have reached their limits in float32."""
# minimax: 2^r for abs(r) <= 1/2, relative error 7.5e-8
E0, E1, E2, E3, E4, E5 = map(
    np.float32, (1.00000007165, 0.69314696706, 0.2402211972, 0.05550713274, 0.00967554133, 0.00132764719)
)
# minimax: (1 + b) log2(1 + b) / b for 0 <= b <= 1, relative error 2.4e-8
L0, L1, L2, L3 = map(np.float32, (1.44269507533, 0.72134253186, -0.24033140816, 0.11915725594))
L4, L5, L6, L7 = map(np.float32, (-0.06726000634, 0.03529882992, -0.01341061066, 0.00250837986))


SPACES = 10
"""Number of alias spaces. Space 0 is for arrays that are only read; each written array has its own. See ``load``."""


def compiled(signature: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that compiles a function immediately, or loads it if it is cached."""
    return partial(compiling.compiled, signature=signature, **OPTIONS)


def _element(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
    """Return the address of ``array[row, column]``, without a bounds check."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    indices = [
        context.cast(builder, value, kind, types.intp)
        for value, kind in zip(arguments[1:3], signature.args[1:3], strict=True)
    ]
    shape, strides = (cgutils.unpack_tuple(builder, part) for part in (array.shape, array.strides))
    return cgutils.get_item_pointer2(context, builder, array.data, shape, strides, "C", indices)


def _in_space(access: ir.Instruction, builder: ir.IRBuilder, space: int) -> ir.Instruction:
    """Tell LLVM that this access does not alias with accesses of other spaces."""
    module = builder.module
    domain = module.add_metadata(["dh_project.gate"])
    spaces = [module.add_metadata([f"dh_project.gate.{number}", domain]) for number in range(SPACES)]
    access.set_metadata("alias.scope", module.add_metadata([spaces.pop(space)]))
    access.set_metadata("noalias", module.add_metadata(spaces))
    return access


def unchecked(definition: Callable[..., Any]) -> Any:
    """Return an intrinsic that is compiled for each value of its literal arguments."""
    return intrinsic(prefer_literal=True)(definition)


@unchecked
def load(typing_context, array, row, column, space):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Return ``array[row, column]``, and promise that no access of another space touches this element.

    Without this promise, LLVM compares the addresses of all arrays before each loop, or does not vectorise it.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        access = builder.load(_element(context, builder, signature, arguments))
        return _in_space(access, builder, space.literal_value)

    return array.dtype(array, row, column, space), generate


@unchecked
def store(typing_context, array, row, column, value, space):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Set ``array[row, column]``, with the same promise as ``load``."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        access = builder.store(arguments[3], _element(context, builder, signature, arguments))
        _in_space(access, builder, space.literal_value)
        return context.get_dummy_value()

    return types.void(array, row, column, array.dtype, space), generate


@njit(**OPTIONS)
def exp2(t: np.float32) -> np.float32:
    """Return 2^t for -126 <= t <= 127. The fraction goes through a polynomial, the integer into the exponent bits."""
    rounded = t + ROUND
    r = t - (rounded - ROUND)
    fraction = np.float32(E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * E5)))))
    bits = fraction.view(np.int32) + (np.float32(rounded).view(np.int32) << np.int32(23))
    return np.int32(bits).view(np.float32)


@njit(**OPTIONS)
def exponentials(x1: np.float32, x2: np.float32) -> tuple[np.float32, np.float32]:
    """Return 2^x1 and 2^-abs(x2). NaN stays NaN, because each comparison with it is false."""
    x1 = LOWEST if x1 < LOWEST else x1
    x1 = HIGHEST if x1 > HIGHEST else x1
    x2 = -abs(x2)
    x2 = LOWEST if x2 < LOWEST else x2
    return exp2(x1), exp2(x2)


@njit(**OPTIONS)
def softplus_numerator(x2: np.float32, b: np.float32) -> np.float32:
    """Return (1 + b) log2(1 + 2^x2), given b = 2^-abs(x2)."""
    logarithm = L0 + b * (L1 + b * (L2 + b * (L3 + b * (L4 + b * (L5 + b * (L6 + b * L7))))))
    return (ZERO if x2 < ZERO else x2) * (ONE + b) + b * logarithm
