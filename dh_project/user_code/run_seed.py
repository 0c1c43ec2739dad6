"""The argument ``seed`` of a run function, which differs between the replicates of a point."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

SEED = "seed"


def with_own_seed(run: Callable[..., Any], run_kwargs: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the constant arguments of a run function with ``seed`` increased by a number.

    Without an argument ``seed``, or if it is not an integer, the arguments are returned unchanged.

    Args:
        run: The run function.
        run_kwargs: Its constant arguments.
        number: What is added to the seed that is given, or to the default of the function.

    Example:
        >>> def run(point, seed=0): ...
        >>> with_own_seed(run, {}, 2), with_own_seed(run, {"seed": 40}, 2)
        ({'seed': 2}, {'seed': 42})
        >>> with_own_seed(lambda point: 1.0, {}, 2)
        {}
    """
    seed = run_kwargs.get(SEED, _default(run))
    if number == 0 or type(seed) is not int:
        return dict(run_kwargs)
    return {**run_kwargs, SEED: seed + number}


def takes(run: Callable[..., Any], name: str) -> bool:
    """Return whether a run function takes an argument of this name."""
    try:
        parameters = inspect.signature(run).parameters.values()
    except (TypeError, ValueError):  # some builtins have no signature
        return False
    return any(each.name == name or each.kind is each.VAR_KEYWORD for each in parameters)


def _default(run: Callable[..., Any]) -> Any:
    """Return the default of the argument ``seed``; None if there is none."""
    try:
        parameter = inspect.signature(run).parameters.get(SEED)
    except (TypeError, ValueError):
        return None
    return None if parameter is None else parameter.default
