"""With one worker and a seed, a search that is interrupted at every trial is the search that never was."""

from functools import partial

import pytest
from harness import assert_nothing_is_lost, say, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TOTAL = 8  # killed at trials 1, 3, 5 and 7, two of them in each way; ambs proposes the last five by its model
OPTIONS = {"random": [], "ambs": ["--n-initial-points", "3"]}


def points_and_best(search):
    rows = sorted(search.rows(), key=lambda row: int(row["job_id"]))
    points = [[value for name, value in row.items() if name.startswith("p:")] for row in rows]
    return points, max(float(row["objective"]) for row in rows)


def is_there(search, ended, next_runs):
    """Say whether so many trials have ended, and if asked for, the next one runs."""
    if search.count("end") != ended:
        return False
    kinds = [record["kind"] for record in search.records()]
    return not next_runs or "start" in kinds[len(kinds) - kinds[::-1].index("end") :]


@pytest.mark.parametrize("searcher", ["random", "ambs"])
def test_interrupted_at_every_trial_it_has_the_points_and_the_best_of_the_uninterrupted(
    search_command, searcher
):
    def command(name):
        search = search_command(
            "--seed", 11, *OPTIONS[searcher], run="gated", searcher=searcher, workers=1, name=name
        )
        (search.folder / "gate").write_text(str(TOTAL))
        return search

    whole, cut = command("whole"), command("cut")
    whole.run("--max-evals", TOTAL)
    for ended in range(1, TOTAL):
        if ended % 2:
            (cut.folder / "gate").write_text(str(ended))  # the trial after it waits, to be killed
            session = cut.start("--max-evals", TOTAL)
            next_runs = ended % 4 == 3  # else the kill comes while the searcher thinks
            wait_until(
                partial(is_there, cut, ended, next_runs), f"{ended} trials have ended", session=session
            )
            cut.kill(session)
            (cut.folder / "gate").write_text(str(TOTAL))
        else:
            cut.run("--max-evals", ended)
    cut.run("--max-evals", TOTAL)
    assert_nothing_is_lost(cut, TOTAL)
    assert points_and_best(cut) == points_and_best(whole)
    say(f"{searcher}: {TOTAL - 1} interruptions, the same {TOTAL} points")
