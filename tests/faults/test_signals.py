"""SIGTERM, SIGINT, a second one; and no process outlives a driver, however it ends."""

import random
import signal
import time

import pytest
from harness import assert_nothing_is_lost, say, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SECONDS = 15.0
"""Longest time of an end on a loaded machine; a trial has 3 seconds to end by itself."""

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def send(session, number):
    session.process.send_signal(number)
    say(f"sent {number.name} after {session.age:.2f} s")


def end_soon(search, session):
    began = time.monotonic()
    status = session.end(SECONDS)
    say(f"it ended with status {status} {time.monotonic() - began:.2f} s later")
    search.wait_until_none_is_left()
    return status


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_in_seconds_and_what_was_recorded_stays(search_command, number):
    search = search_command("--max-evals", 8, run_kwargs=["shortest=0.3", "longest=1"])
    session = search.start()
    wait_until(lambda: search.count("end") >= 3, "three trials have ended", session=session)
    send(session, number)
    before = search.sound_part()
    assert end_soon(search, session) == 130
    assert number.name in session.said
    assert session.complained == ""
    assert search.journal.read_bytes().startswith(before)
    search.run()
    assert_nothing_is_lost(search, 8)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_does_not_wait_for_a_deaf_trial(search_command, number):
    search = search_command("--max-evals", 4, run="ignore_sigterm")
    session = search.start()
    wait_until(
        lambda: len(list(search.log_dir.glob("trials/*/*/ready"))) == 2,
        "two deaf trials run",
        session=session,
    )
    send(session, number)
    time.sleep(0.5)
    send(session, number)
    assert end_soon(search, session) == 130
    assert "Traceback" not in session.complained
    assert search.count("start") == 2


def test_a_signal_at_any_instant_of_the_start_ends_it_in_seconds_and_the_search_is_sound(search_command):
    rng = random.Random(10)
    search = search_command("--max-evals", 6)
    for number in SIGNALS * 3:
        session = search.start("--max-evals", 100_000)
        time.sleep(rng.uniform(0.2, 1.8))
        send(session, number)
        assert end_soon(search, session) != 0
    started = [record["trial"] for record in search.records() if record["kind"] == "start"]
    total = max([5, *started]) + 1
    search.run("--max-evals", total)
    assert_nothing_is_lost(search, total)


def test_a_killed_driver_leaves_no_process_in_the_middle_of_running_trials(search_command):
    search = search_command("--max-evals", 4, run="ignore_sigterm", workers=4)
    session = search.start()
    wait_until(
        lambda: len(list(search.log_dir.glob("trials/*/*/ready"))) == 4, "four trials run", session=session
    )
    assert len(search.processes()) == 1 + 3 * 4  # driver, and guard, worker and trial of each slot
    search.kill(session)
    search.wait_until_none_is_left()


def test_a_killed_driver_leaves_no_process_while_workers_import_the_run_module(search_command):
    search = search_command("--max-evals", 4)
    (search.folder / "slow_import.py").write_text(
        "import os, sys, time\n"
        "if sys.argv[0] == '-c':  # in a worker; the driver imports this too\n"
        "    open(f'importing-{os.getpid()}', 'w').close()\n"
        "    time.sleep(60)\n"
        "def run(point):\n    return 1.0\n"
    )
    session = search.start("--run", "slow_import.py")
    wait_until(
        lambda: len(list(search.folder.glob("importing-*"))) == 2, "both workers import", session=session
    )
    search.kill(session)
    search.wait_until_none_is_left()
