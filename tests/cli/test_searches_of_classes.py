"""``deephyper hps`` on classes: the search knows functions alone, and must not see a difference."""

import csv

import pytest

from dh_project.cli.main import main

pytestmark = pytest.mark.slow

SEARCH = ["hps", "random", "--evaluator", "process", "--num-workers", "1", "--max-evals", "2"]


@pytest.fixture
def search(samples, tmp_path, monkeypatch):
    """Return a function that searches with a class and returns the exit status."""
    monkeypatch.syspath_prepend(samples)
    (tmp_path / "problem.py").write_text(
        "from dh_project import HpProblem\n\nProblem = HpProblem()\nProblem.add_dim('x', (0.1, 0.4))\n"
    )
    problem = ["--problem", str(tmp_path / "problem.py"), "--log-dir", str(tmp_path / "search")]
    return lambda run, *words: main([*SEARCH, *problem, "--run", run, *words])


def test_a_class_is_searched(search, tmp_path):
    assert search("class_models.Descent", "--run-kwargs", "steps=2", "metric=loss", "mode=min") == 0
    rows = list(csv.DictReader((tmp_path / "search/results.csv").open()))
    assert [row["job_status"] for row in rows] == ["DONE", "DONE"]
    for row in rows:
        assert float(row["objective"]) == -float(row["m:loss"])
        assert row["m:steps"] == "2"


def test_a_class_without_its_methods_is_one_line_and_nothing_is_made(search, tmp_path, capsys):
    assert search("class_models.WithoutSave") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "has no save" in said
    assert not (tmp_path / "search").exists()


def test_a_lightning_module_of_several_ranks_is_refused_before_the_search(search, tmp_path, capsys):
    pytest.importorskip("lightning")
    assert search("lightning_models.Complete", "--ranks-per-trial", "2", "--num-workers", "2") == 2
    assert (
        "Complete is trained by one process a trial; leave --ranks-per-trial out" in capsys.readouterr().err
    )
    assert not (tmp_path / "search").exists()


def test_a_bare_name_and_the_whole_one_are_the_same_search(tmp_path, capsys):
    words = ["hps", "random", "--evaluator", "process", "--num-workers", "1", "--log-dir", str(tmp_path)]
    words += ["--problem", "cgcnn_mp", "--run-kwargs", "epochs=1", "--max-evals", "1", "--run"]
    assert main([*words, "cgcnn_mp"]) == 0
    whole = [word.replace("cgcnn_mp", "dh_project.cgcnn_mp.problem.Problem") for word in words]
    assert main([*whole, "dh_project.cgcnn_mp.model_run.run"]) == 0
    assert "all 1 trials have ended already" in capsys.readouterr().out
