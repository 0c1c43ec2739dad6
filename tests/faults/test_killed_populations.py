"""``kill -9`` of the driver of a search by population-based training with one worker, at random moments."""

import csv
import json
import random
import time

import pytest
from harness import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PBT = ("--stopper", "pbt", "population=4", "generations=4", "perturbation_interval=2")


def table(search):
    """Return the rows without what depends on the clock or on the number of attempts."""
    with (search.log_dir / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return sorted(
        (row["job_id"], row["p:x"], row["objective"], row["job_status"], row["m:parent"], row["m:parked_at"])
        for row in rows
    )


def saved(search):
    """Return trial and step of each checkpoint that was written."""
    lines = map(json.loads, (search.folder / "saved").read_text().splitlines())
    return [(trial, step) for trial, _, step in lines]


def lineage(search):
    """Return point, parent and last move of each trial, from the journal."""
    starts = [record for record in search.records() if record["kind"] == "start"]
    return {record["trial"]: (record["point"], record.get("parent"), record["until"]) for record in starts}


def kill_at_a_random_moment(search, rng):
    """Start the search, and kill its driver near the end of one of the next attempts."""
    before = search.count("end")
    session = search.start()
    moment = before + rng.randint(1, 3)
    wait_until(lambda: search.count("end") >= moment or not session.is_running, "trials park")
    time.sleep(rng.choice([0.0, rng.uniform(0.0, 0.3)]))
    assert session.is_running, "the search is too short for so many kills"
    search.kill(session)


def test_a_population_whose_driver_is_killed_5_times_is_the_same(search_command):
    whole = search_command(*PBT, name="whole", run="grow", workers=1)
    whole.run()
    assert len(saved(whole)) == len(set(saved(whole))) == 4 * 4 * 2
    killed, rng = (
        search_command(*PBT, name="killed", run="grow", run_kwargs=["seconds=0.15"], workers=1),
        random.Random(1),
    )
    for _ in range(5):
        kill_at_a_random_moment(killed, rng)
    killed.run()
    assert lineage(killed) == lineage(whole)
    assert table(killed) == table(whole)
    assert len(saved(killed)) == len(set(saved(killed))), "a step was trained twice"
    killed.wait_until_none_is_left()
