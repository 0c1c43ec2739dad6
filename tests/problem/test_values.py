"""Every value keeps its type and digits, or is refused in one line."""

import enum
import json
import math

import ConfigSpace as cs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dh_project import HpProblem
from dh_project.common.errors import UserError
from dh_project.problem.texts import MISSING, TextError, value_of_text
from dh_project.problem.values import IllegalValue, at, legal, places
from dh_project.user_code.problems import as_problem


class Colour(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    ONE = "one"


def problem_of(dimension) -> HpProblem:
    problem = HpProblem()
    problem.add_hyperparameter(dimension)
    return problem


@pytest.mark.parametrize(
    "choices",
    [
        [(1, 2), (3, 4)],
        [[1, (2,)], "a"],
        [math.inf, 1.0],
        [math.nan, 1.0],
        [Colour.RED, "a"],
        [Word.ONE, "two"],
        [b"a", "b"],
        [1j, 2],
        [{"a": 1}, "b"],
        [np.datetime64("2026-01-01"), "b"],
    ],
)
def test_a_choice_that_the_journal_would_change_is_refused_in_one_line(choices):
    ways = [lambda: HpProblem().add_dim("h", choices)]
    if choices[0] == choices[0]:  # ConfigSpace refuses NaN itself
        made = cs.CategoricalHyperparameter("h", choices)
        ways += [lambda: problem_of(made), lambda: as_problem(cs.ConfigurationSpace({"h": made}))]
    for add in ways:
        with pytest.raises(UserError, match=r"hyperparameter 'h': .*write") as caught:
            add()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "choices",
    [
        [[64], [64, 32]],
        [None, False, "auto"],
        [1, 2.5],
        [True, 2],
        ["01", "1", "1.0"],
        [2**70, 0.5],
        [[], [None]],
        [1, "1"],
    ],
)
@pytest.mark.parametrize("kind", [cs.CategoricalHyperparameter, cs.OrdinalHyperparameter])
def test_each_choice_comes_back_as_it_was_given(kind, choices):
    dimension = kind("h", choices)
    for index, choice in enumerate(choices):
        found = at(dimension, places(dimension, [choice]))[0]
        assert (repr(found), places(dimension, [choice])[0]) == (repr(choice), index)
        assert repr(legal(dimension, json.loads(json.dumps(choice)))) == repr(choice)


def test_choices_of_numpy_become_python_s():
    dimension = cs.CategoricalHyperparameter("h", list(np.array([8, 16])))
    problem = problem_of(dimension)
    assert type(problem.sample(1)["h"]) is int
    assert problem.to_json()["space"]["hyperparameters"][0]["choices"] == [8, 16]


BOUNDS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.tuples(BOUNDS, BOUNDS), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_range_of_floats_has_exactly_its_bounds_or_is_refused_in_one_line(bounds, is_log):
    low, high = sorted(bounds)
    problem = HpProblem()
    try:
        problem.add_dim("x", (low, high, "log-uniform" if is_log else "uniform"))
    except UserError:
        if low < high and math.isfinite(high - low) and not (is_log and low <= 0):
            raise
        return
    problem.add_starting_point(x=low)
    problem.add_starting_point(x=high)
    assert [point["x"] for point in problem.starting_points] == [low, high]
    assert all(low <= problem.sample(seed)["x"] <= high for seed in range(10))
    copy = HpProblem.from_json(json.loads(json.dumps(problem.to_json())))
    assert copy.to_json() == problem.to_json()
    assert copy.sample(3) == problem.sample(3)


@given(st.tuples(st.integers(-(2**64), 2**64), st.integers(-(2**64), 2**64)), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_range_of_integers_has_exactly_its_bounds_or_is_refused_in_one_line(bounds, is_log):
    low, high = sorted(bounds)
    problem = HpProblem()
    try:
        problem.add_dim("n", (low, high, "log-uniform" if is_log else "uniform"))
    except UserError:
        is_wide = max(abs(low), abs(high), high - low) > 2**53
        if low < high and not is_wide and not (is_log and low <= 0):
            raise
        return
    for number in (low, high):
        assert problem.checked({"n": number}) == {"n": number}
    for number in (low - 1, high + 1):
        assert not problem.check_configuration({"n": number}, raise_if_not_valid=False)
    assert all(type(problem.sample(seed)["n"]) is int for seed in range(10))


@pytest.mark.parametrize("value", [(0.0, math.inf), (math.nan, 1.0), (-1e308, 1e308)])
def test_a_range_that_is_not_finite_is_refused(value):
    with pytest.raises(UserError, match=r"'h'.* is not finite"):
        HpProblem().add_dim("h", value)


def test_samples_of_a_small_logarithmic_range_are_spread_over_it():
    problem = HpProblem()
    problem.add_dim("eps", (6e-14, 1e-8, "log-uniform"))
    drawn = sorted(problem.sample(seed)["eps"] for seed in range(200))
    assert drawn[20] < 1e-12 < drawn[100] < 1e-9
    assert len(set(drawn)) == 200


def test_a_normal_distribution_of_small_numbers_is_exact():
    problem = HpProblem()
    problem.add_dim("h", {"mu": 2e-15, "sigma": 1e-15, "lower": 1e-15, "upper": 3e-15})
    assert all(1e-15 <= problem.sample(seed)["h"] <= 3e-15 for seed in range(20))
    assert problem.default_configuration == {"h": 2e-15}


def test_a_range_that_configspace_may_have_moved_is_refused_with_the_way_out():
    moved = cs.UniformFloatHyperparameter("eps", 6e-14, 1e-8, log=True)
    with pytest.raises(UserError, match=r'write add_dim\(.eps., \(low, high, "log-uniform"\)\)'):
        problem_of(moved)


@pytest.mark.parametrize("value", [True, "1", None, [1], math.nan, math.inf, 10**400, 1.5, 0, 10])
def test_what_is_no_integer_of_a_range_lies_outside(value):
    with pytest.raises(IllegalValue):
        legal(cs.UniformIntegerHyperparameter("n", 1, 9), value)


@pytest.mark.parametrize(
    ("choices", "text", "value"),
    [
        (["01", "10"], "01", "01"),
        ([True, False, "auto"], "False", False),
        ([None, "a"], "", None),
        ([None, "a"], "None", None),
        ([8, 16], "8.0", 8),
        ([[64], [64, 32]], "[64, 32]", [64, 32]),
        (["nan", "zero"], "nan", "nan"),
        (["a"], "", MISSING),
        (["a"], "b", "b"),
    ],
)
def test_a_text_is_read_as_the_choice_that_it_shows(choices, text, value):
    found = value_of_text(cs.CategoricalHyperparameter("h", choices), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["0,01", "10 eV", "1e-", "1.2.3", ",5", "1_000"])
def test_a_text_that_should_be_a_number_is_refused(text):
    for dimension in (
        cs.UniformFloatHyperparameter("h", 0.0, 1.0),
        cs.UniformIntegerHyperparameter("h", 0, 9),
        cs.OrdinalHyperparameter("h", [8, 16]),
    ):
        with pytest.raises(TextError, match="is not a number"):
            value_of_text(dimension, text)


def test_a_text_that_two_choices_show_is_refused():
    with pytest.raises(TextError, match="can mean 1 or '1'"):
        value_of_text(cs.CategoricalHyperparameter("h", [1, "1"]), "1")
