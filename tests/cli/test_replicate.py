"""``deephyper replicate``: which points it runs, with which seeds, what it says, and bad input."""

import json
import shutil

import pytest

from dh_project.cli.main import main
from dh_project.results.history import History
from dh_project.results.topk import top_results, write

PROBLEM = """\
from dh_project import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 10.0))
Problem.add_starting_point(x=1.0)
Problem.add_starting_point(x=3.0)
Problem.add_starting_point(x=3.1)
"""

RUN = """\
import random

def run(point, seed=0, noise=0.01):
    return -abs(point["x"] - 3.0) + noise * random.Random(f"{seed} {point['x']}").gauss(0.0, 1.0)

def equal(point):
    return point["x"]

def fails_at_times(point, seed=0):
    if seed % 2:
        raise RuntimeError("no such luck")
    return point["x"]
"""

WHERE = ["--evaluator", "process", "--num-workers", "2"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with the files of a problem, and the search of its three starting points."""
    folder = tmp_path_factory.mktemp("replicate")
    (folder / "problem.py").write_text(PROBLEM)
    (folder / "run.py").write_text(RUN)
    words = ["--problem", str(folder / "problem.py"), "--run", str(folder / "run.py")]
    assert (
        main(["hps", "random", *WHERE, *words, "--max-evals", "3", "--log-dir", str(folder / "search")]) == 0
    )
    results = folder / "search/results.csv"
    write(results, top_results(results, 2), folder / "best.json")
    return folder


@pytest.fixture
def here(searched, tmp_path, monkeypatch):
    """The working directory, with best.json and the search."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(searched / "search", tmp_path / "search")
    shutil.copy(searched / "best.json", tmp_path)
    return tmp_path


def refused(capsys, *words):
    capsys.readouterr()
    assert main(["replicate", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_the_best_is_compared_with_the_default(here, capsys):
    assert main(["replicate", "best.json", "--seeds", "3", *WHERE, "-o", "found.json"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "trial 1 is better than the default configuration (difference 2" in said
    found = json.loads((here / "found.json").read_text())
    assert [(each["configuration"], each["n"]) for each in found["configurations"]] == [
        ("the default configuration", 3),
        ("trial 1", 3),
    ]
    [pair] = found["comparisons"]
    assert pair["is_significant"]
    assert pair["p"] < 0.05


def test_its_seeds_are_new_and_the_same_for_each_configuration(here):
    main(["replicate", "best.json", "--seeds", "3", *WHERE, "-o", "found.json"])
    namespace = {}
    exec(RUN, namespace)
    for each in json.loads((here / "found.json").read_text())["configurations"]:
        expected = [namespace["run"](each["point"], seed=seed) for seed in (1, 2, 3)]  # the search has used 0
        assert each["objectives"] == pytest.approx(expected)


def test_the_same_command_runs_nothing_again_and_more_seeds_are_added(here, capsys):
    main(["replicate", "search", "--seeds", "2", *WHERE])
    before = (here / "replicate/journal.jsonl").read_bytes()
    capsys.readouterr()
    assert main(["replicate", "search", "--seeds", "2", *WHERE]) == 0
    assert "trial 1 is better" in capsys.readouterr().out
    assert (here / "replicate/journal.jsonl").read_bytes() == before
    assert main(["replicate", "search", "--seeds", "4", *WHERE]) == 0
    assert len(History.read(here / "replicate").ended) == 8


def test_several_of_the_best_are_compared_with_each_other(here, capsys):
    words = [
        "--top",
        "2",
        "--seeds",
        "3",
        "--run-kwargs",
        "noise=1.0",
        "--log-dir",
        "noisy",
        "-o",
        "table.csv",
    ]
    assert main(["replicate", "search/results.csv", *words, *WHERE]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "trial 1 and trial 2 do not differ significantly" in said or (
        "trial 2 and trial 1 do not differ significantly" in said
    )
    header, *rows = (here / "table.csv").read_text().splitlines()
    assert header == "configuration,mean,standard_error,n,failed,recorded,p:x"
    assert [row.split(",")[0] for row in rows] == ["the default configuration", "trial 1", "trial 2"]


def test_more_than_there_are_means_all(here, capsys):
    assert main(["replicate", "best.json", "--top", "9", "--seeds", "2", *WHERE]) == 0
    assert "best.json has 2 of the 9 best configurations: all are replicated" in capsys.readouterr().out


def test_a_run_function_that_ignores_seeds_is_named(here, searched, capsys):
    words = ["--run", f"{searched / 'run.py'}:equal", "--seeds", "2", *WHERE]
    assert main(["replicate", "best.json", *words]) == 0
    assert "the run function ignores the seed" in " ".join(capsys.readouterr().out.split())


def test_failed_replicates_are_counted_and_the_others_compared(here, searched, capsys):
    words = ["--run", f"{searched / 'run.py'}:fails_at_times", "--seeds", "4", *WHERE, "-o", "found.json"]
    assert main(["replicate", "best.json", *words]) == 0
    found = json.loads((here / "found.json").read_text())["configurations"]
    assert [(each["n"], each["failed"]) for each in found] == [(2, 2), (2, 2)]


def test_a_folder_of_another_replication_is_refused(here, capsys):
    main(["replicate", "best.json", "--seeds", "2", *WHERE])
    said = refused(capsys, "best.json", "--top", "2", "--seeds", "2", *WHERE)
    assert "replicate: another search was run here: starting point 2 was None there" in said
    assert "another --log-dir" in said


def test_fewer_than_two_seeds_are_refused(here, capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["replicate", "best.json", "--seeds", "1"])
    assert leaving.value.code == 2
    assert "1 seed has no standard deviation; give at least 2" in capsys.readouterr().err


def test_a_file_that_does_not_say_how_to_rerun_is_refused(here, capsys):
    entry = json.loads((here / "best.json").read_text())["0"]
    del entry["rerun"]
    (here / "mine.json").write_text(json.dumps({"0": entry}))
    assert "mine.json: it does not say of which problem it is" in refused(capsys, "mine.json")
    entry["rerun"] = {"problem": str(here / "problem.py")}
    shutil.copy(here / "search/results.csv", here / "results.csv")
    assert "results.csv: it does not say of which problem" in refused(capsys, "results.csv")


def test_a_point_outside_of_the_space_is_refused(here, capsys):
    table = json.loads((here / "best.json").read_text())
    table["0"]["x"] = 11.0
    (here / "mine.json").write_text(json.dumps(table))
    assert "mine.json: trial 1: x=11.0 lies outside the space" in refused(capsys, "mine.json")


def test_other_files_are_refused(here, capsys):
    (here / "mine.json").write_text("{}")
    assert "mine.json: not a file that deephyper-analytics topk" in refused(capsys, "mine.json")
    assert "missing: there is no such file" in refused(capsys, "missing")


def test_a_search_with_replicates_shows_means_and_its_seeds_are_not_used_again(here, searched, capsys):
    words = ["--problem", str(searched / "problem.py"), "--run", str(searched / "run.py")]
    words += ["--max-evals", "2", "--replicates", "2", "--log-dir", "twice"]
    assert main(["hps", "random", *WHERE, *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "4 trials of 2 points ended, 0 of them failed" in said
    assert "best (trial 2) baseline (trial 0) mean objective" in said
    assert main(["replicate", "twice", "--seeds", "2", *WHERE, "-o", "found.json"]) == 0
    namespace = {}
    exec(RUN, namespace)
    best = json.loads((here / "found.json").read_text())["configurations"][1]
    assert best["configuration"] == "trial 2"
    assert best["objectives"] == pytest.approx(
        [namespace["run"](best["point"], seed=seed) for seed in (2, 3)]
    )
