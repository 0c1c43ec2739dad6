"""A search goes on after its project, its data or its folder was moved, and says if the code has changed."""

import json
import shutil

import pytest

import dh_project as dh
from dh_project.hps.observer import Observer
from dh_project.results.history import History

PROBLEM = """\
from dh_project import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0))
"""

RUN = """\
from pathlib import Path

from dh_project import content_hash


def identify_data(data, **others):
    return {"data": content_hash(Path(data))}


def run(point, data):
    return point["x"] + len(Path(data).read_text())
"""


class Notes(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "moved_problem.py").write_text(PROBLEM)
    (folder / "moved_run.py").write_text(RUN)
    (folder / "data.txt").write_text("four")
    return folder


def search(project, data, max_evals):
    """Run a session, and return its notes and the history."""
    notes = Notes()
    found = dh.search(
        str(project / "moved_problem.py"),
        str(project / "moved_run.py"),
        folder=project / "search",
        evaluator="process",
        searcher="random",
        num_workers=1,
        run_kwargs={"data": data},
        max_evals=max_evals,
        progress=notes,
    )
    assert [trial.reason for trial in found.trials] == [None] * max_evals
    return notes.notes, found.history


def says_that_the_code_changed(notes):
    return any("the code of the problem or the run function has changed" in note for note in notes)


def test_a_project_that_was_renamed_goes_on_with_its_search_from_anywhere(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    search(project, "data.txt", 1)
    moved = tmp_path / "renamed"
    project.rename(moved)
    monkeypatch.chdir(tmp_path)
    notes, history = search(moved, "renamed/data.txt", 2)
    assert not says_that_the_code_changed(notes)
    assert history.identity.run_kwargs["data"] == str(moved / "data.txt")
    best = dh.best_configuration(moved / "search" / "results.csv")
    assert best.point == history.best.point


def test_data_that_changed_is_refused_and_data_that_moved_is_not(project, tmp_path):
    search(project, str(project / "data.txt"), 1)
    shutil.move(project / "data.txt", tmp_path / "other-name.txt")
    search(project, str(tmp_path / "other-name.txt"), 2)
    (tmp_path / "other-name.txt").write_text("fives")
    with pytest.raises(dh.UserError, match="the content of the data has changed"):
        search(project, str(tmp_path / "other-name.txt"), 3)


def test_changed_code_is_told_once_and_stands_in_the_journal(project):
    said = []
    for number, text in enumerate(["", "# a remark\n", "# a remark\n"]):
        (project / "moved_run.py").write_text(RUN + text)
        said.append(says_that_the_code_changed(search(project, str(project / "data.txt"), number + 1)[0]))
    assert said == [False, True, False]
    lines = (project / "search" / "journal.jsonl").read_text().splitlines()
    codes = [record["code"] for line in lines if (record := json.loads(line)).get("kind") == "session"]
    assert codes[0] != codes[1] == codes[2]
    assert History.read(project / "search").identity.code == codes[2]
