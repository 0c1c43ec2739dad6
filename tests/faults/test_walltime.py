"""A search that is told its wall time ends in time, with everything on record, and goes on in the next job."""

import time

import pytest
from harness import assert_nothing_is_lost, say

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def run_until(search, walltime, margin, seconds):
    """Run the search for a wall time; check that its process and its last record were in time."""
    began = time.time()
    session = search.start("--walltime", walltime, "--margin", margin)
    status = session.end()
    ended = session.age
    last = search.journal.stat().st_mtime - began if search.journal.exists() else 0.0
    say(f"--walltime {walltime}: ended with status {status} after {ended:.2f} s of {seconds} s, last record at "
        f"{last:.2f} s; {search.standing}")  # fmt: skip
    assert status == 0, session.complained
    assert ended < seconds
    assert last < ended
    assert last > seconds - margin - 5.0, "it does not give time away either"
    assert search.records()[-1]["kind"] == "close"
    search.wait_until_none_is_left()


def test_it_ends_before_its_wall_time_and_paused_trials_go_on_from_their_checkpoints(search_command):
    search = search_command(
        "--max-evals", 8, run="checkpointed", run_kwargs=["steps=28", "seconds=0.5"], workers=2
    )
    run_until(search, "60", 10, 60.0)
    states = {}
    for record in search.records():
        if record["kind"] in ("start", "end"):
            states[record["trial"]] = record.get("state", "running")
    paused = [trial for trial, state in states.items() if state == "paused"]
    assert len(paused) == 2
    assert "running" not in states.values()
    search.run("--max-evals", 8)
    assert_nothing_is_lost(search, 8)
    began_at = {int(row["job_id"]): float(row["objective"]) for row in search.rows()}
    say(f"the paused trials went on from step {[began_at[trial] for trial in paused]}")
    assert all((began_at[trial] > 0) == (trial in paused) for trial in began_at)


def test_a_wall_time_counts_from_the_start_of_the_process_in_hours_minutes_and_seconds(search_command):
    search = search_command("--run", "slow_module.py", workers=2)
    (search.folder / "slow_module.py").write_text(
        "import time\ntime.sleep(3)\nfrom faulty_trials import checkpointed\n"
        "def run(point):\n    return checkpointed(point, steps=1000)\n"
    )
    run_until(search, "00:00:16", 6, 16.0)
