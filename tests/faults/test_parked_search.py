"""``kill -9`` of the driver of a search that parks and resumes: no rung is lost, and no step is trained twice."""

import json

import pytest
from harness import wait_until
from test_killed_driver import kill_at_random_moments

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TOTAL = 24


def final_table(search):
    """Return the point, the state and the objective of each trial."""
    columns = ("job_status", "objective", "m:parked_at")
    rows = sorted(search.rows(), key=lambda row: int(row["job_id"]))
    return [
        [value for name, value in row.items() if name.startswith("p:") or name in columns] for row in rows
    ]


def test_a_search_by_asha_that_is_killed_10_times_is_the_search_that_was_not(search_command):
    def command(name):
        return search_command("--max-evals", TOTAL, "--stopper", "asha", run="curve", workers=1, name=name)

    whole, cut = command("whole"), command("cut")
    whole.run()
    kill_at_random_moments(cut, seed=5, kills=10, longest=0.3)
    cut.run()
    assert final_table(cut) == final_table(whole)
    assert len(cut.rows()) == TOTAL
    trained = [(trial, step) for trial, _, step in map(json.loads, (cut.folder / "steps").open())]
    assert len(trained) == len(set(trained)), "a step was trained twice although a checkpoint covers it"


def test_a_parked_trial_whose_checkpoint_is_gone_starts_again(search_command):
    search = search_command("--max-evals", 6, "--stopper", "asha", run="curve", workers=1)
    session = search.start()
    wait_until(lambda: search.count("end") >= 3, "three trials have ended", session=session)
    search.kill(session)
    for checkpoint in search.log_dir.glob("trials/*/*/step"):
        checkpoint.unlink()
    search.run()
    assert len(search.rows()) == 6
    assert any(row["job_status"] == "DONE" for row in search.rows())
