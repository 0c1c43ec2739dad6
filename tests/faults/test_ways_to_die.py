"""Every way in which a trial can die, one after another in one search with one worker."""

import re

import pytest
from harness import SearchCommand, say

pytestmark = [pytest.mark.faults, pytest.mark.slow]

EXPECTED = {
    "fail": ("FAILED", "F_exception", "RuntimeError: no such luck"),
    "leave": ("FAILED", "F_exit", r"sys.exit\(7\)"),
    "crash": ("FAILED", "F_signal", "SIGABRT"),
    "kill_itself": ("FAILED", "F_signal", "SIGKILL"),
    "return_nan": ("FAILED", "F_not_finite", "nan"),
    "return_infinity": ("FAILED", "F_not_finite", "inf"),
    "return_nothing": ("FAILED", "F_no_number", "NoneType instead of a number"),
    "return_text": ("FAILED", "F_no_number", "str instead of a number"),
    "return_pair": ("FAILED", "F_no_number", "tuple instead of a number"),
    "say_failure": ("FAILED", "F_said", "out_of_memory"),
    "hang": ("TIMEOUT", "F_timeout", "ran longer than its limit"),
    "eat_memory": ("MEMORY", "F_memory", "[Mm]emory"),
    "take_memory": ("MEMORY", "F_memory", "[Mm]emory"),
    "leave_a_daemon": ("DONE", None, ""),
    "change_the_point": ("DONE", None, ""),
    "run": ("DONE", None, ""),
}
"""State, content of the objective column, and a part of the reason."""

TOTAL = 2 * len(EXPECTED)


@pytest.fixture(scope="module")
def died(tmp_path_factory):
    """Run one search in which each trial dies in another way, twice over; return it and its rows by way."""
    search = SearchCommand(
        tmp_path_factory.mktemp("died"),
        "--max-evals",
        TOTAL,
        "--trial-timeout",
        3,
        "--trial-memory",
        0.5,
        run="die_in_a_way_of_its_own",
        workers=1,
    )
    try:
        search.run()
        search.wait_until_none_is_left()
    finally:
        search.clean_up()
    rows = sorted(search.rows(), key=lambda row: int(row["job_id"]))
    by_way = {way: [row for row in rows if row["m:way"] == way] for way in EXPECTED}
    for way, those in by_way.items():
        say(f"{way:18} {those[0]['job_status']:8} {those[0]['m:reason']}")
    return search, rows, by_way


def test_the_search_ends_with_the_right_total(died):
    _, rows, _ = died
    assert [int(row["job_id"]) for row in rows] == list(range(TOTAL))


@pytest.mark.parametrize("way", EXPECTED)
def test_each_way_to_die_is_a_named_state_with_a_reason_and_a_log(died, way):
    search, _, by_way = died
    state, failure, reason = EXPECTED[way]
    assert len(by_way[way]) == 2
    for row in by_way[way]:
        assert row["job_status"] == state
        assert re.search(reason, row["m:reason"])
        assert failure is None or row["objective"] == failure
        assert (search.log_dir / f"trials/{int(row['job_id']):04d}/attempt-1/log.txt").exists()


def test_the_log_of_an_exception_holds_its_traceback(died):
    search, _, _ = died
    assert "raise RuntimeError" in (search.log_dir / "trials/0000/attempt-1/log.txt").read_text()


def test_one_worker_served_them_all_and_was_never_lost(died):
    search, _, _ = died
    ends = [record for record in search.records() if record["kind"] == "end"]
    assert len({record["worker"] for record in ends}) == 1
    assert {record["attempt"] for record in ends} == {1}


def test_a_point_changed_in_place_is_not_changed_in_the_table(died):
    _, _, by_way = died
    assert all(float(row["p:x"]) <= 10.0 for row in by_way["change_the_point"])
