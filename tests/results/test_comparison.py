"""Means of replicates, and whether they differ significantly."""

import math

import pytest
from scipy import stats

from dh_project.results.comparison import compare
from dh_project.results.replicates import Replicates, standard_error
from dh_project.trial.trial import State, Trial

SAMPLES = {"one": [1.0, 1.2, 0.9, 1.1], "other": [1.4, 1.9, 1.6], "third": [1.05, 1.0, 1.2, 1.1]}


def test_two_configurations_are_compared_by_welchs_test():
    [found] = compare({name: SAMPLES[name] for name in ("one", "other")})
    expected = stats.ttest_ind(SAMPLES["other"], SAMPLES["one"], equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference / found.standard_error == pytest.approx(expected.statistic)


def test_the_better_one_is_named_first():
    assert [(each.first, each.second) for each in compare(SAMPLES)] == [
        ("other", "one"),
        ("third", "one"),
        ("other", "third"),
    ]


def test_more_configurations_need_a_larger_difference():
    [pair] = compare({name: SAMPLES[name] for name in ("one", "other")})
    assert compare(SAMPLES)[0].p > pair.p


def test_objectives_without_variation_are_compared_exactly():
    different, equal = (
        compare({"one": [1.0, 1.0], "other": [2.0, 2.0]})[0],
        compare({"a": [1, 1], "b": [1, 1]})[0],
    )
    assert (different.is_significant, equal.is_significant) == (True, False)


def test_one_sample_without_variation_is_compared_with_a_varied_one():
    [found] = compare({"constant": [3.0, 3.0, 3.0], "varied": [1.0, 1.1, 0.9]})
    assert 0 < found.p < 0.05
    assert found.in_words().startswith("constant is better than varied (difference 2 +- 0.058, p = 0.0")


def test_a_configuration_with_one_objective_is_left_out():
    assert [(each.first, each.second) for each in compare(SAMPLES | {"few": [9.0]})] == [
        (each.first, each.second) for each in compare(SAMPLES)
    ]
    assert compare({"one": [1.0, 2.0], "few": [9.0]}) == []


def test_a_failed_replicate_does_not_count():
    trials = [Trial(0, {}, "", state=State.DONE, objective=1.0), Trial(1, {}, "", state=State.FAILED)]
    trials += [Trial(2, {}, "", state=State.DONE, objective=2.0), Trial(3, {}, "", state=State.RUNNING)]
    replicates = Replicates(trials)
    assert (replicates.mean, replicates.failed, replicates.standard_error) == (1.5, 1, 0.5)
    assert Replicates(trials[1:2]).mean is None


def test_the_standard_error_is_that_of_the_mean():
    assert standard_error(SAMPLES["one"]) == pytest.approx(stats.sem(SAMPLES["one"]))
    assert standard_error([1.0]) is None
    assert not math.isnan(standard_error([1.0, 1.0]))
