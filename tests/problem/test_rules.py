"""Conditions and forbidden clauses are evaluated as they read."""

import time

import ConfigSpace as cs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dh_project import HpProblem
from dh_project.common.errors import UserError
from dh_project.hps.searchers.cube import INACTIVE, Cube

KINDS = ["plain", "deep", "wide"]

ATOMS = st.sampled_from(
    [("kind", "in", ("deep", "wide")), ("kind", "!=", "plain"), ("kind", "==", "deep")]
    + [("depth", sign, number) for sign in "<>" for number in (2, 3, 4)]
    + [("depth", "==", 3), ("depth", "!=", 3)]
)

RULES = st.recursive(
    ATOMS,
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    max_leaves=5,
)


def condition(rule, child, space):
    """Return the ConfigSpace condition of a rule."""
    if rule[0] in ("and", "or"):
        join = cs.AndConjunction if rule[0] == "and" else cs.OrConjunction
        return join(*(condition(inner, child, space) for inner in rule[1]))
    name, sign, value = rule
    if sign == "in":
        return cs.InCondition(child, space[name], list(value))
    kinds = {
        "==": cs.EqualsCondition,
        "!=": cs.NotEqualsCondition,
        "<": cs.LessThanCondition,
        ">": cs.GreaterThanCondition,
    }
    return kinds[sign](child, space[name], value)


def holds(rule, point):
    """Return whether a rule holds for a point, by Python's own operators."""
    if rule[0] == "and":
        return all(holds(inner, point) for inner in rule[1])
    if rule[0] == "or":
        return any(holds(inner, point) for inner in rule[1])
    name, sign, value = rule
    if name not in point:
        return False
    found = point[name]
    return {
        "in": lambda: found in value,
        "==": lambda: found == value,
        "!=": lambda: found != value,
        "<": lambda: found < value,
        ">": lambda: found > value,
    }[sign]()


def problem_with(rules):
    """Return a problem in which ``depth`` needs a kind other than wide, and one child hangs on each rule."""
    problem = HpProblem()
    kind = problem.add_dim("kind", KINDS)
    depth = problem.add_dim("depth", (1, 6, "log-uniform"))
    problem.add_condition(cs.NotEqualsCondition(depth, kind, "wide"))
    for index, rule in enumerate(rules):
        child = problem.add_dim(f"x{index}", (0.0, 1.0))
        problem.add_condition(condition(rule, child, problem.space))
    return problem


@given(st.lists(RULES, min_size=2, max_size=3))
@settings(max_examples=30, deadline=None)
def test_a_hyperparameter_is_active_exactly_if_its_condition_holds(rules):
    problem = problem_with(rules)
    cube = Cube(HpProblem.from_json(problem.to_json()))
    for point in [problem.default_configuration, *(problem.sample(seed) for seed in range(10))]:
        expected = {f"x{index}" for index, rule in enumerate(rules) if holds(rule, point)}
        assert {name for name in point if name.startswith("x")} == expected
        assert problem.checked(point) == point
        everything = {"kind": "plain", "depth": 1, **{f"x{i}": 0.5 for i in range(len(rules))}, **point}
        assert set(problem.checked(everything)) == set(point)
        row = cube.vectors([point])[0]
        assert {name for name, place in zip(problem.space, row, strict=True) if place != INACTIVE} == set(
            point
        )


@pytest.mark.parametrize("join", [cs.AndConjunction, cs.OrConjunction])
def test_and_and_or_over_the_same_parents_are_two_rules(join):
    both = ("and", [("kind", "in", ("deep", "plain")), ("depth", ">", 3)])
    either = ("or", [("kind", "in", ("deep", "plain")), ("depth", ">", 3)])
    problem = problem_with([both, either] if join is cs.AndConjunction else [either, both])
    points = [problem.sample(seed) for seed in range(200)]
    assert {("x0" in point, "x1" in point) for point in points} == (
        {(True, True), (False, True), (False, False)}
        if join is cs.AndConjunction
        else {(True, True), (True, False), (False, False)}
    )


def nearly_forbidden(count):
    """Return a problem of which one point in 100**count is allowed, besides the default."""
    problem = HpProblem()
    for index in range(count):
        number = problem.add_dim(f"n{index}", (0, 99), default_value=0)
        problem.add_forbidden_clause(cs.ForbiddenGreaterThanClause(number, 0))
    return problem


def test_a_rare_allowed_point_is_found_in_a_second():
    problem, began = nearly_forbidden(2), time.monotonic()
    assert problem.sample(1) == {"n0": 0, "n1": 0}
    assert len(Cube(problem).sample(1000, 1)) >= 1
    assert time.monotonic() - began < 2.5


@pytest.mark.slow
def test_a_space_without_an_allowed_point_is_refused_in_one_line():
    with pytest.raises(UserError, match="none of 16,777,216 random points"):
        nearly_forbidden(8).sample(1)


def test_a_forbidden_point_is_refused_by_its_clause():
    problem = nearly_forbidden(1)
    with pytest.raises(UserError, match=r"\{'n0': 5\} is forbidden: .*n0 > 0"):
        problem.checked({"n0": 5})


def test_a_forbidden_default_is_refused_with_the_way_out():
    problem = HpProblem()
    number = problem.add_dim("n", (0, 9))
    with pytest.raises(UserError, match=r"the default point .* is forbidden .* give another default_value"):
        problem.add_forbidden_clause(cs.ForbiddenGreaterThanClause(number, 0))
