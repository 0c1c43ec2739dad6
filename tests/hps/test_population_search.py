"""Searches by population-based training, with a run function that has checkpoints."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import dh_project as dh
from dh_project.cli import analytics
from dh_project.results.lineage import schedule_of

RUN = f"{Path(__file__).parents[1] / 'samples/schedule_run.py'}:run"
SETTINGS = {"population": 4, "generations": 3, "perturbation_interval": 2}


def search(folder, **more):
    problem = dh.HpProblem()
    problem.add_dim("gain", (0.0, 1.0))
    problem.add_dim("rate", (0.0, 0.5))
    settings = {
        "searcher": "random",
        "evaluator": "process",
        "num_workers": 1,
        "stopper": "pbt",
        "stopper_settings": SETTINGS,
        "run_kwargs": {"log": str(folder.parent / f"{folder.name}.log")},
        "progress": False,
    }
    return dh.search(problem, RUN, folder=folder, **settings | more)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """An uninterrupted search."""
    return search(tmp_path_factory.mktemp("population") / "search")


def trained(folder):
    return [
        tuple(json.loads(line)) for line in (folder.parent / f"{folder.name}.log").read_text().splitlines()
    ]


def table(folder):
    """Return the rows without what depends on the clock or on the number of attempts."""
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: cell for name, cell in row.items() if "timestamp" not in name and "attempt" not in name}
        for row in rows
    ]


def test_each_step_is_trained_once_and_children_begin_from_their_parents(found):
    steps = trained(found.folder)
    assert len(set(steps)) == len(steps) == 4 * 3 * 2
    children = [trial for trial in found.trials if trial.parent is not None]
    assert children
    for child in children:
        parent = found.history.trials[child.parent]
        begin, score = child.reports[0]  # the parent's last report, again
        assert dict(parent.reports)[begin] == score
        gained = child.point["gain"] - abs(child.point["rate"] - 0.1)
        assert dict(child.reports)[begin + 1] == pytest.approx(score + gained)


def test_the_best_is_a_member_at_the_last_step(found):
    assert found.best.step == 6
    assert found.best.objective == max(trial.objective for trial in found.trials if trial.step == 6)
    assert "generation 3 is the last one, and ends at step 6" in found.ending.reason


def test_a_child_s_row_names_its_parent(found):
    children = {str(trial.id): str(trial.parent) for trial in found.trials if trial.parent is not None}
    assert {row["job_id"]: row["m:parent"] for row in table(found.folder) if row["m:parent"]} == children


def test_the_schedule_of_the_best_member_reruns_as_one_training(found, tmp_path, capsys):
    schedule = schedule_of(found.folder)
    assert [(each.first_step, each.last_step) for each in schedule.schedule][-1][1] == 6
    ends = [0, *(each.last_step for each in schedule.schedule)]
    assert [each.first_step for each in schedule.schedule] == [end + 1 for end in ends[:-1]]
    assert analytics.main(["lineage", str(found.folder), "-o", str(tmp_path / "schedule.yaml")]) == 0
    objective = dh.run_schedule(tmp_path / "schedule.yaml", tmp_path / "rerun", log=str(tmp_path / "log"))
    assert objective == found.best.objective
    assert len((tmp_path / "log").read_text().splitlines()) == 6
    assert dh.run_schedule(tmp_path / "schedule.yaml", tmp_path / "rerun") == objective


def test_each_trial_has_a_schedule_and_those_with_a_parent_have_several_segments(found):
    for trial in found.trials:
        segments = schedule_of(found.folder, trial.id).schedule
        assert segments[-1].trial == trial.id
        assert (len(segments) > 1) == (trial.parent is not None)


def test_a_search_that_is_interrupted_makes_the_same_table(found, tmp_path):
    class Interrupt(dh.Observer):
        def parked(self, trial):
            if trial.id == 2:
                os.kill(os.getpid(), signal.SIGINT)

    folder = tmp_path / "search"
    sessions = 0
    while True:
        sessions += 1
        try:
            search(folder, progress=Interrupt())
            break
        except KeyboardInterrupt:
            assert sessions < 9
    assert sessions > 1
    assert len(set(trained(folder))) == len(trained(folder))
    assert table(folder) == table(found.folder)


def test_a_child_whose_parent_has_no_files_left_begins_anew_and_the_log_says_so(tmp_path):
    class Remove(dh.Observer):
        def parked(self, trial):
            shutil.rmtree(tmp_path / f"search/trials/{trial.id:04d}")

    found = search(tmp_path / "search", progress=Remove())
    child = next(trial for trial in found.trials if trial.parent is not None)
    assert child.reports[0][0] == 1
    assert len(schedule_of(found.folder, child.id).schedule) == 1
    said = f"trial {child.id} starts from step 1: the files of its parent, trial {child.parent}, are gone"
    assert said in (tmp_path / "search/deephyper.log").read_text()
