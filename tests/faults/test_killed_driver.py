"""``kill -9`` of the driver, again and again, at random moments of one and the same search."""

import random
import signal
import time

import pytest
from harness import assert_nothing_is_lost, say, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def wait_for_a_moment(search, session, rng, longest):
    """Wait for a random moment of a session: in its start-up, while trials run, or right after a record."""
    moment = rng.choice(["start-up", "running", "running", "start", "report", "end"])
    if moment == "start-up":
        delay = rng.uniform(0.0, 1.5)
    else:
        sessions = search.count("session")
        wait_until(lambda: search.count("session") > sessions or not session.is_running, "trials run")
        if moment == "running":
            delay = rng.uniform(0.0, longest)
        else:
            before, more = search.count(moment), rng.randint(1, 4)
            wait_until(lambda: search.count(moment) >= before + more or not session.is_running, moment)
            delay = rng.choice([0.0, rng.uniform(0.0, 0.01)])
    time.sleep(delay)
    return moment


def kill_at_random_moments(search, seed, kills, seconds_to_vanish=5.0, longest=1.0):
    rng = random.Random(seed)
    for _ in range(kills):
        before = search.sound_part()
        session = search.start()
        say(f"moment: {wait_for_a_moment(search, session, rng, longest)}")
        assert session.is_running, "the search is too short for so many kills"
        search.kill(session)
        assert search.sound_part().startswith(before), "what was on record stays as it was"
        if rng.random() < 0.5:  # else the next session begins while the old workers may still be there
            search.wait_until_none_is_left(seconds_to_vanish)


@pytest.mark.parametrize(
    ("seed", "kills", "total", "shortest", "longest"),
    [(1, 9, 240, 0.0, 0.06), (2, 8, 40, 0.0, 1.0), (3, 8, 30, 0.4, 1.6)],
)
def test_a_search_whose_driver_is_killed_25_times_loses_nothing(
    search_command, seed, kills, total, shortest, longest
):
    search = search_command(
        "--max-evals", total, run_kwargs=[f"shortest={shortest}", f"longest={longest}"], workers=3
    )
    kill_at_random_moments(search, seed, kills, longest=min(1.0, 5 * longest))
    search.run()
    assert_nothing_is_lost(search, total)
    search.wait_until_none_is_left()


def test_one_whose_trials_write_in_scratch_loses_nothing_either(search_command, tmp_path):
    options = ["--max-evals", 30, "--scratch", tmp_path / "scratch"]
    search = search_command(*options, run_kwargs=["shortest=0.2", "longest=1.2"], workers=3)
    kill_at_random_moments(search, seed=4, kills=6)
    search.run()
    assert_nothing_is_lost(search, 30)
    search.wait_until_none_is_left()
    assert not list((tmp_path / "scratch").glob("dh_project-*/attempts/*/"))


@pytest.mark.ray
def test_a_search_with_ray_whose_driver_is_killed_4_times_loses_nothing(search_command):
    search = search_command(
        "--max-evals", 24, run_kwargs=["shortest=0.1", "longest=0.6"], workers=2, evaluator="ray"
    )
    kill_at_random_moments(search, seed=4, kills=4, seconds_to_vanish=20.0)
    search.run()
    assert_nothing_is_lost(search, 24)
    search.wait_until_none_is_left(20.0)


def stop_until_all_that_runs_has_ended(search, session):
    """Stop the driver, so that trials end unheard, and kill it when all of them have left their result."""
    wait_until(lambda: search.count("report") >= 3, "the third trial runs", session=session)
    session.process.send_signal(signal.SIGSTOP)
    started = {int(folder.name) for folder in (search.log_dir / "trials").iterdir()}
    wait_until(lambda: {trial for trial, _ in search.results()} == started, "the trials that run have ended")
    known = {record["trial"] for record in search.records() if record["kind"] == "end"}
    say(f"trials {sorted(started - known)} ended while the driver was stopped")
    assert started > known
    search.kill(session)


@pytest.mark.parametrize("run", ["work", "fail_and_leave_evidence"])
def test_a_trial_that_ended_while_the_driver_could_not_hear_it_is_not_run_again(search_command, run):
    search = search_command("--max-evals", 6, run=run, run_kwargs=["shortest=0.5", "longest=0.5"])
    stop_until_all_that_runs_has_ended(search, search.start())
    search.run(status=0 if run == "work" else 1)  # a search in which all trials failed ends with 1
    assert_nothing_is_lost(search, 6)
    assert len(search.evidence()) == 6


def test_a_result_that_makes_no_sense_does_not_count(search_command):
    search = search_command("--max-evals", 6, run_kwargs=["shortest=0.5", "longest=0.5"], workers=4)
    session = search.start()
    wait_until(lambda: search.count("report") >= 4, "four trials run", session=session)
    search.kill(session)
    search.wait_until_none_is_left()
    for trial, content in enumerate([b"", b'{"state": "do', b"[1]", b'{"state": "done"}']):
        (search.log_dir / f"trials/{trial:04d}/attempt-1/dh-result.json").write_bytes(content)
        say(f"left {content} as the result of trial {trial}")
    search.run()
    for trial in range(4):
        (search.log_dir / f"trials/{trial:04d}/attempt-1/dh-result.json").unlink()
    assert_nothing_is_lost(search, 6)


def test_a_driver_killed_at_its_last_record_leaves_a_finished_search(search_command):
    search = search_command("--max-evals", 6)
    session = search.start()
    wait_until(lambda: search.count("end") == 6, "the last trial's end is on record", session=session)
    search.kill(session)
    search.run()
    assert_nothing_is_lost(search, 6)


def test_a_table_that_a_killed_driver_did_not_write_is_written_by_the_next(search_command):
    search = search_command("--max-evals", 3)
    search.run()
    (search.log_dir / "results.csv").unlink()
    say("removed results.csv, as if the driver was killed between the last record and the table")
    search.run()
    assert_nothing_is_lost(search, 3)
