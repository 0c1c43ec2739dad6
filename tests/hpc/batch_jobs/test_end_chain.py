"""A job takes the later jobs of its chain out of the queue if the search is over."""

import pytest

from dh_project.hpc.batch_jobs.end_chain import is_over

BEGAN = 1_800_000_000.0
BEFORE, DURING = "2027-01-01T00:00:00+00:00", "2027-01-15T08:00:05+00:00"


def records(date, ending):
    session = [{"kind": "search"}, {"kind": "session", "date": date}, {"kind": "end"}]
    return [*session, {"kind": "close", "ending": ending}] if ending else session


@pytest.mark.parametrize("ending", ["complete", "timeout", "failures"])
def test_a_session_of_this_job_that_ended_the_search_does(ending):
    assert is_over(records(DURING, ending), 1, BEGAN)


@pytest.mark.parametrize("ending", ["time", "signal", "losses", None])
def test_one_that_can_go_on_does_not(ending):
    assert not is_over(records(DURING, ending), 0, BEGAN)


def test_a_job_that_found_nothing_to_do_does():
    assert is_over(records(BEFORE, "complete"), 0, BEGAN)


def test_a_job_that_failed_to_begin_a_longer_search_does_not():
    assert not is_over(records(BEFORE, "complete"), 1, BEGAN)


def test_a_search_that_was_never_begun_does_not():
    assert not is_over([], 0, BEGAN)
