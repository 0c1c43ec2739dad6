"""The argument ``seed`` of a run function differs between replicates."""

from functools import partial

import pytest

from dh_project.user_code.run_seed import takes, with_own_seed


def with_seed(point, seed=3):
    return seed


def without_default(point, seed):
    return seed


def with_none(point, seed=None):
    return seed


def with_any(point, **arguments):
    return arguments


@pytest.mark.parametrize(
    ("run", "given", "expected"),
    [
        (with_seed, {}, {"seed": 5}),
        (with_seed, {"seed": 10, "epochs": 2}, {"seed": 12, "epochs": 2}),
        (partial(with_seed, seed=8), {}, {"seed": 10}),
        (without_default, {"seed": 1}, {"seed": 3}),
        (with_none, {}, {}),
        (with_any, {}, {}),
        (with_any, {"seed": 1}, {"seed": 3}),
        (with_seed, {"seed": "a"}, {"seed": "a"}),
        (print, {}, {}),
    ],
)
def test_the_number_of_the_replicate_is_added_to_the_seed(run, given, expected):
    assert with_own_seed(run, given, 2) == expected
    assert with_own_seed(run, given, 0) == given


def test_which_arguments_are_taken():
    assert [takes(run, "seed") for run in (with_seed, with_any, lambda point: 1.0)] == [True, True, False]
