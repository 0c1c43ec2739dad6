"""The two commands that train one point: the baseline, and the best trial of a search."""

import json
import sys
from pathlib import Path

import pytest

from dh_project import run_baseline, run_best
from dh_project.cgcnn_mp import best_config
from dh_project.cgcnn_mp.model_run import run
from dh_project.cgcnn_mp.training.train_in_folder import Console

POINT = {"lr": 0.02, "atom_fea_len": 8, "h_fea_len": 8, "n_conv": 1, "batch_size": 4, "optim": "Adam"}
PROBLEM = "dh_project.cgcnn_mp.problem.Problem"
RUN = "dh_project.cgcnn_mp.model_run.run"


@pytest.fixture
def quick(folder, tmp_path, monkeypatch):
    """Arguments of a run over twelve crystals, in an empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return {"data": str(folder), "epochs": 3, "device": "cpu", "cache_folder": str(tmp_path / "cache")}


@pytest.fixture
def best_json(quick):
    """Return a function that writes a ``best.json`` of a run, as topk does, and returns its objective."""
    objective = run(POINT, **quick, seed=7)
    rerun = {"run": RUN, "run_kwargs": quick, "seed": 7, "threads": 1}

    def write(path="best.json", **changes):
        first = {"id": "4", "elapsed_sec": 1.0, "objective": objective, **POINT, "rerun": rerun | changes}
        Path(path).write_text(json.dumps({"0": first}))
        return objective

    return write


def words(arguments):
    return [f"{name}={value}" for name, value in arguments.items()]


def last_objective(text):
    return next(line for line in text.splitlines() if line.startswith("objective: "))


def test_best_config_gives_the_recorded_objective(best_json, capsys):
    objective = best_json()
    assert run_best(RUN, []) == 0
    assert last_objective(capsys.readouterr().out) == f"objective: {objective} (recorded: {objective})"


def test_best_config_leaves_weights_and_the_training_curve(best_json, tmp_path):
    best_json("mine.json")
    assert run_best(RUN, ["mine.json"]) == 0
    picture = tmp_path / "work/best_config/cgcnn_mp/training_curve.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "work/best_config/cgcnn_mp/best.pt").exists()


def test_best_config_leaves_a_configuration_that_train_takes(best_json, tmp_path):
    best_json()
    assert run_best(RUN, []) == 0
    recorded = json.loads((tmp_path / "work/best_config/cgcnn_mp/config.json").read_text())
    assert recorded["lr"] == POINT["lr"]
    assert recorded["seed"] == 7


def test_best_config_resumes_an_interrupted_training(best_json, capsys, monkeypatch):
    objective = best_json()

    def interrupted(self, step, objective, of=None):
        if step == 2:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as patched:
        patched.setattr(Console, "report", interrupted)
        assert run_best(RUN, []) == 130
    capsys.readouterr()
    assert run_best(RUN, []) == 0
    said = capsys.readouterr().out
    assert "goes on from the last epoch in best_config/cgcnn_mp" in said
    assert "epoch 1" not in said
    assert last_objective(said) == f"objective: {objective} (recorded: {objective})"


def test_best_config_overwrites_no_training(best_json, capsys, tmp_path):
    best_json()
    assert run_best(RUN, ["epochs=1"]) == 0
    weights = tmp_path / "work/best_config/cgcnn_mp/best.pt"
    before = weights.stat().st_mtime_ns
    for words in (["epochs=1"], ["epochs=1", "seed=8"]):
        assert run_best(RUN, words) == 2
        assert "best_config/cgcnn_mp holds a training: give folder=NAME" in capsys.readouterr().err
    assert weights.stat().st_mtime_ns == before
    assert run_best(RUN, ["epochs=1", "seed=8", "folder=eight"]) == 0


def test_only_the_training_s_own_files_are_listed(best_json, capsys, tmp_path):
    best_json()
    (tmp_path / "work/mine").mkdir()
    (tmp_path / "work/mine/notes.txt").touch()
    assert run_best(RUN, ["epochs=1", "folder=mine"]) == 0
    listed = capsys.readouterr().out.splitlines()[-1]
    assert listed.startswith("files in mine: best.pt, last.pt")
    assert "notes.txt" not in listed


def test_arguments_override_the_recorded_ones(best_json, capsys):
    best_json()
    assert run_best(RUN, ["epochs=1"]) == 0
    assert "epoch 2" not in capsys.readouterr().out


def test_the_baseline_is_the_first_starting_point(quick, capsys, tmp_path):
    assert run_baseline(PROBLEM, RUN, words(quick | {"epochs": 1})) == 0
    assert last_objective(capsys.readouterr().out).startswith("objective: -")
    assert (tmp_path / "work/default_config/cgcnn_mp/training_curve.png").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "neither best.json nor results.csv"),
        (["nowhere.json"], "there is no such file"),
        (["a.json", "b.json"], "one file of results is enough"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(quick, given, message, capsys):
    assert run_best(RUN, given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_help_prints_the_docstring_of_the_script(capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__doc__", best_config.__doc__)
    assert run_best(RUN, ["--help"]) == 0
    assert "train the best trial" in capsys.readouterr().out


def test_a_mistaken_argument_is_one_line_and_status_2(best_json, capsys, tmp_path):
    best_json()
    capsys.readouterr()
    assert run_best(RUN, ["epoch=3"]) == 2
    assert "did you mean 'epochs'" in capsys.readouterr().err
    assert not (tmp_path / "work/best_config").exists()


@pytest.mark.parametrize("run", ["mine.run", "/somewhere/mine/my_crystals/model_run.py"])
def test_the_run_function_of_another_model_is_refused(best_json, capsys, run):
    best_json(run=run)
    assert run_best(RUN, []) == 2
    assert f"its run function is {run}" in capsys.readouterr().err


def test_the_run_function_may_have_been_named_by_its_file_on_another_machine(best_json, capsys):
    best_json(run="/elsewhere/dh_project/cgcnn_mp/model_run.py")
    assert run_best(RUN, ["epochs=1"]) == 0
    assert "objective: " in capsys.readouterr().out


def test_divergence_is_one_line_and_status_1(best_json, capsys):
    best_json()
    best = Path("best.json")
    best.write_text(best.read_text().replace('"lr": 0.02', '"lr": 1e30'))
    capsys.readouterr()
    assert run_best(RUN, []) == 1
    assert "try a smaller learning rate" in capsys.readouterr().err
