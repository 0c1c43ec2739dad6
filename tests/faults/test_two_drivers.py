"""Two drivers in one folder, and a lock of a dead owner."""

import pytest
from harness import assert_nothing_is_lost, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def search(search_command):
    return search_command("--max-evals", 12, run_kwargs=["shortest=0.4", "longest=0.6"])


def test_a_second_driver_is_refused_in_one_line_and_the_first_is_unharmed(search_command):
    search = search_command("--max-evals", 12, run_kwargs=["shortest=1.5", "longest=2.0"])
    first = search.start()
    wait_until(lambda: search.count("end"), "the first one searches", session=first)
    second = search.start()
    assert second.end() == 2
    assert len(second.complained.strip().splitlines()) == 1
    assert "another search is running in this folder" in second.complained
    assert first.is_running
    assert first.end() == 0
    assert first.complained == ""
    assert_nothing_is_lost(search, 12)
    assert search.count("session") == 1
    search.wait_until_none_is_left()


def test_a_driver_that_was_killed_does_not_keep_the_folder(search):
    session = search.start()
    wait_until(lambda: search.count("end"), "it searches", session=session)
    search.kill(session)
    search.run()
    assert_nothing_is_lost(search, 12)


def test_a_journal_that_is_removed_stops_the_search_and_nothing_is_lost(search):
    session = search.start()
    wait_until(lambda: search.count("end"), "it searches", session=session)
    search.journal.unlink()
    assert session.end() == 2
    assert len(session.complained.strip().splitlines()) == 1
    assert "was removed or moved while the search was running" in session.complained
    saved = search.log_dir / "journal.saved.jsonl"
    assert f"{saved.name}: rename it" in session.complained
    saved.rename(search.journal)
    search.run()
    assert_nothing_is_lost(search, 12)
