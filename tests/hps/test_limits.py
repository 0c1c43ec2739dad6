import pytest

from dh_project.hps.limits import (
    FEWEST_FOR_A_SHARE,
    LAST_SECONDS,
    PATIENCE_SECONDS,
    RECENT_SIGNS,
    STOP_SECONDS,
    FailureCount,
    Limits,
    seconds_to_report,
)
from dh_project.trial.trial import State, Trial
from dh_project.worker.trial_process import GRACE_SECONDS


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


def test_of_the_times_to_report_the_latest_count():
    assert seconds_to_report([9.0] * RECENT_SIGNS + [1.0] * RECENT_SIGNS) == 1.0
    assert seconds_to_report([1.0] * RECENT_SIGNS + [9.0] * (RECENT_SIGNS // 2 + 1)) == 9.0


def test_a_share_is_judged_from_the_tenth_trial_on():
    count = FailureCount()
    count.add(ended("f" * (FEWEST_FOR_A_SHARE - 1)))
    assert count.exceeding(0.5) is None
    count.add(ended("f"))
    assert count.exceeding(0.5) == "10 of this session's 10 trials failed"


def test_failures_in_a_row_are_counted_over_several_turns_of_the_loop():
    count = FailureCount()
    for states in ("df", "f", "f"):
        count.add(ended(states))
    assert (count.ended, count.failed, count.in_a_row) == (4, 3, 3)


# ---- how long running trials have when a session ends


AT_THE_MARGIN = 80.0


def test_at_the_margin_a_trial_that_never_reports_is_dead_before_the_last_moment():
    patience, last = Limits(ends_at=100.0, margin=20.0).patience("time", AT_THE_MARGIN)
    assert last == 100.0 - LAST_SECONDS
    assert AT_THE_MARGIN + patience + GRACE_SECONDS < last
    assert AT_THE_MARGIN + patience + GRACE_SECONDS > last - 2.0  # nor is the margin given away


def test_a_margin_shorter_than_a_kill_leaves_no_patience():
    assert Limits(ends_at=100.0, margin=2.0).patience("time", 98.0) == (0.0, 100.0 - LAST_SECONDS)


@pytest.mark.parametrize("kind", ["signal", "timeout", "losses", "failures"])
def test_at_any_other_end_trials_have_a_while(kind):
    assert Limits().patience(kind, 50.0) == (PATIENCE_SECONDS, 50.0 + STOP_SECONDS)
    assert Limits(ends_at=100.0, margin=20.0).patience(kind, 50.0) == (PATIENCE_SECONDS, 50.0 + STOP_SECONDS)


@pytest.mark.parametrize("kind", ["signal", "timeout", "losses", "failures"])
def test_the_margin_is_no_longer_a_while_for_what_ends_within_it_for_another_reason(kind):
    assert Limits(ends_at=100.0, margin=20.0).patience(kind, 82.0) == (PATIENCE_SECONDS, 82.0 + STOP_SECONDS)


@pytest.mark.parametrize("kind", ["signal", "timeout", "losses", "failures", "time"])
def test_nothing_is_waited_for_beyond_the_end_of_the_job(kind):
    assert Limits(ends_at=100.0, margin=1.0).patience(kind, 95.0)[1] == 100.0 - LAST_SECONDS


def test_if_no_trial_can_report_before_the_margin_running_ones_have_a_short_time():
    assert Limits(ends_at=100.0, margin=20.0).patience("time", 30.0) == (
        PATIENCE_SECONDS,
        30.0 + STOP_SECONDS,
    )
