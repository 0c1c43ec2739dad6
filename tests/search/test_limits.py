import pytest

from dh_project.search.limits import FailureCount, Limits, seconds_to_report
from dh_project.trial.trial import State, Trial


def ended(states):
    kinds = {"d": State.DONE, "f": State.FAILED, "t": State.TIMEOUT, "m": State.MEMORY, "l": State.LOST}
    return [Trial(number, {}, "any", 1, kinds[kind]) for number, kind in enumerate(states)]


@pytest.mark.parametrize(
    ("limit", "states", "too_many"),
    [
        (None, "ffffffffffff", False),
        (3, "ddfff", True),
        (3, "ftm", True),
        (3, "ffdff", False),
        (3, "ff", False),
        (3, "ffl", False),
        (0.5, "fffffff", False),
        (0.5, "dffddffddf", False),
        (0.5, "dffddffdff", True),
    ],
)
def test_failures_in_a_row_or_their_share_end_a_search(limit, states, too_many):
    count = FailureCount()
    count.add(ended(states))
    assert bool(count.exceeding(limit)) is too_many


def test_the_nearer_of_the_time_limits_counts():
    limits = Limits(timeout=100.0, ends_at=1050.0, margin=10.0)
    assert limits.seconds_left(elapsed=20.0, now=1000.0) == 40.0
    assert limits.seconds_left(elapsed=95.0, now=1000.0) == 5.0


def test_what_ends_a_search_is_known():
    limits = Limits(timeout=100.0, ends_at=1050.0, margin=10.0)
    assert not limits.timeout_binds(elapsed=20.0, now=1000.0)
    assert limits.timeout_binds(elapsed=95.0, now=1000.0)


def test_without_a_time_limit_there_is_all_time():
    assert Limits().seconds_left(1e9, 1e9) == float("inf")


def test_a_trial_is_expected_to_report_as_soon_as_half_of_the_others_did():
    assert seconds_to_report([]) == 0.0
    assert seconds_to_report([1.0, 9.0, 2.0]) == 2.0
