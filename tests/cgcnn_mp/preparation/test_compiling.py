"""Compiled functions, also where nothing can be kept."""

import math

from dh_project.cgcnn_mp.preparation.compiling import compiled


def test_a_function_that_cannot_be_kept_is_compiled_all_the_same():
    """Code that stands in no file has no place for a cache, as in an installation that nobody may write to."""
    names: dict = {}
    exec("def twice(x):\n    return 2 * x", names)
    assert compiled(names["twice"])(21) == 42


def test_division_by_zero_is_infinite():
    @compiled
    def inverse(x: float) -> float:
        return 1.0 / x

    assert inverse(0.0) == math.inf
