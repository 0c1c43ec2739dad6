"""A storm that kills workers at random while a search goes on."""

import os
import random
import time
from contextlib import suppress

import psutil
import pytest
from harness import assert_nothing_is_lost, say, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TOTAL = 60

MANY = 1000
"""Number of retries, large enough for the losses of this test."""


def storm(search, session, victims, rng, seconds, pause):
    """Kill a random one of the victims again and again; return how many."""
    wait_until(lambda: search.count("report"), "trials run", session=session)
    ends, killed = time.monotonic() + seconds, 0
    while time.monotonic() < ends and session.is_running:
        time.sleep(rng.uniform(0.5, 1.5) * pause)
        if candidates := victims():
            victim = rng.choice(candidates)
            with suppress(psutil.NoSuchProcess):
                victim.kill()
                killed += 1
    say(f"killed {killed} workers in {seconds} s, one every {pause:g} s; {search.standing}")
    return killed


def leads_a_session(process):
    """Return whether a process is a worker, rather than a trial that the worker forked under the same name."""
    with suppress(ProcessLookupError):
        return os.getsid(process.pid) == process.pid
    return False


def lost_attempts(search):
    return sum(record.get("lost", False) for record in search.records() if record["kind"] == "end")


def test_a_storm_over_the_workers_loses_no_trial(search_command):
    search = search_command(
        "--max-evals",
        TOTAL,
        "--max-retries",
        MANY,
        run_kwargs=["shortest=0.5", "longest=2.5"],
        workers=4,
    )
    session = search.start()
    killed = storm(search, session, lambda: search.workers(session), random.Random(5), seconds=30, pause=1.0)
    assert session.end() == 0
    say(f"{lost_attempts(search)} attempts were lost with their worker")
    assert 10 < lost_attempts(search) <= killed
    assert_nothing_is_lost(search, TOTAL)
    assert {row["job_status"] for row in search.rows()} == {"DONE"}
    search.wait_until_none_is_left()


@pytest.mark.ray
def test_a_storm_over_ray_s_actors_and_their_workers_loses_no_trial(search_command):
    def actors_and_workers():
        return [
            process
            for process, name in search.processes().items()
            if "WorkerActor" in name or ("dh_project.worker" in name and leads_a_session(process))
        ]

    search = search_command(
        "--max-evals",
        16,
        "--max-retries",
        MANY,
        run_kwargs=["shortest=1", "longest=3"],
        workers=2,
        evaluator="ray",
    )
    session = search.start()
    storm(search, session, actors_and_workers, random.Random(6), seconds=20, pause=4.0)
    assert session.end() == 0
    assert lost_attempts(search) > 0
    assert_nothing_is_lost(search, 16)
    assert {row["job_status"] for row in search.rows()} == {"DONE"}
