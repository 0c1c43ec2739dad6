"""A trial that hangs with a child and a daemon, all of which ignore SIGTERM."""

import json
import time

import psutil
import pytest
from harness import assert_nothing_is_lost, say, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LIMIT = 2.0


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_hung_trial_is_dead_in_time_with_all_it_started_and_its_slot_serves_again(search_command):
    search = search_command("--max-evals", 4, "--trial-timeout", LIMIT, run="hang_with_children", workers=1)
    session = search.start()
    mark = search.folder / "hung"
    wait_until(mark.exists, "the trial hangs", session=session)
    hung = json.loads(mark.read_text())
    assert all(is_alive(pid) for pid in hung["pids"])
    wait_until(
        lambda: not any(is_alive(pid) for pid in hung["pids"]), "all that hung is dead", session=session
    )
    took = time.time() - hung["began"]
    say(f"trial, child and daemon, deaf to SIGTERM, were dead after {took:.2f} s at a limit of {LIMIT} s")
    assert took < LIMIT + 5.0
    assert session.end() == 0
    assert_nothing_is_lost(search, 4)
    assert [row["job_status"] for row in sorted(search.rows(), key=lambda row: int(row["job_id"]))] == [
        "TIMEOUT",
        *["DONE"] * 3,
    ]
