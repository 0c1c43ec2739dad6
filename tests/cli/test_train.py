"""``deephyper train`` as a user types it."""

import csv
import json
import re
import signal
import statistics
import subprocess
import sys
import time

import pytest
import small_trainings
import torch
from filelock import FileLock
from small_trainings import SMALL, train

from dh_project.cgcnn_mp.training.configuration import DEFAULTS
from dh_project.cgcnn_mp.training.train_in_folder import LOCK
from dh_project.cli import analytics, main
from dh_project.scaffold.problem import new_problem
from dh_project.scaffold.project import Project
from dh_project.scaffold.template import load_template

pytestmark = pytest.mark.slow

halides, trained, trained_once = (
    small_trainings.halides,
    small_trainings.trained,
    small_trainings.trained_once,
)


@pytest.fixture
def deephyper(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in ``tmp_path`` and returns status, output and errors."""
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def deephyper(*words):
        try:
            status = main.main([str(word) for word in words])
        except SystemExit as leaving:
            status = leaving.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return deephyper


def refused(answer):
    """Check that a command was refused in one line, and return the line."""
    status, _, error = answer
    assert status == 2
    assert len(error.strip().splitlines()) == 1
    return error


def epochs_of(folder):
    return len((folder / "history.csv").read_text().splitlines()) - 1


def test_a_training_prints_an_epoch_a_line_and_its_metrics(deephyper, halides):
    status, said, _ = deephyper("train", halides, *SMALL, "--epochs", "2")
    assert status == 0
    assert [line.split(":")[0] for line in said.splitlines()[:2]] == ["epoch 1", "epoch 2"]
    assert re.search(r"^set +mae +rmse +r2", said, re.MULTILINE)
    assert re.search(r"^validation( +\S+){3}$", said, re.MULTILINE)
    assert re.search(r"^test( +\S+){3}$", said, re.MULTILINE)


FIGURES = ("training_curve", "parity", "residuals_by_element", "residuals_periodic_table")


def test_a_training_leaves_its_files(trained):
    assert {path.name for path in trained.iterdir()} - {LOCK} == {
        "best.pt",
        "last.pt",
        "history.csv",
        "metrics.json",
        "predictions.csv",
        "config.json",
        "residuals_by_element.csv",
        *(f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")),
    }


def test_the_default_folder_is_called_training(deephyper, halides, tmp_path):
    deephyper("train", halides, *SMALL, "--epochs", "1")
    assert (tmp_path / "training" / "best.pt").exists()


def test_each_timestamp_is_a_new_folder(deephyper, halides, tmp_path):
    for _ in range(2):
        words = ("--folder", "runs", "--timestamp", "--epochs", "1")
        assert deephyper("train", halides, *SMALL, *words)[0] == 0
    homes = [path for path in (tmp_path / "runs").iterdir() if (path / "best.pt").exists()]
    assert len(homes) == 2
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}", home.name) for home in homes)
    assert "there is nothing to resume in a new folder" in refused(
        deephyper("train", "--timestamp", "--resume")
    )


def test_a_folder_with_a_training_is_refused_and_not_changed(deephyper, halides, trained):
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    assert "go on with --resume" in refused(deephyper("train", halides, "--folder", trained))
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_every_argument_of_the_run_function_is_an_option(deephyper):
    status, said, _ = deephyper("train", "--help")
    assert status == 0
    assert all(f"--{name.replace('_', '-')}" in said for name in DEFAULTS if name != "data")


def test_options_reach_the_training(deephyper, halides, tmp_path):
    words = [
        "--lr",
        "0.02",
        "--milestones",
        "1,2",
        "--optim",
        "Adam",
        "--label",
        "double",
        "--patience",
        "none",
    ]
    assert deephyper("train", halides, *SMALL, "--epochs", "1", *words)[0] == 0
    last = torch.load(tmp_path / "training" / "last.pt", weights_only=True)
    assert last["settings"]["lr"] == 0.02
    assert last["settings"]["milestones"] == (1, 2)
    assert last["settings"]["optim"] == "Adam"
    assert last["data"]["labels"] == ["double"]


def test_a_configuration_in_json_says_the_same_as_options(deephyper, halides, trained, tmp_path):
    deephyper("train", "--config", trained / "config.json", "--folder", "again")
    assert (tmp_path / "again" / "history.csv").read_text().split(",")[:6] == (
        (trained / "history.csv").read_text().split(",")[:6]
    )
    again, first = (torch.load(folder / "best.pt")["state_dict"] for folder in (tmp_path / "again", trained))
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_options_win_over_the_configuration(deephyper, trained, tmp_path):
    deephyper("train", "--config", trained / "config.json", "--folder", "again", "--epochs", "1")
    assert epochs_of(tmp_path / "again") == 1


def test_the_best_trial_of_a_search_is_a_configuration(deephyper, halides, tmp_path):
    best = {
        "id": "4",
        "objective": -1.0,
        **{"lr": 0.02, "atom_fea_len": 8, "h_fea_len": 8, "n_conv": 1},
        "rerun": {
            "run": "dh_project.cgcnn_mp.model_run.run",
            "run_kwargs": {"data": str(halides), "epochs": 1, "device": "cpu"},
            "seed": 7,
        },
    }
    (tmp_path / "best.json").write_text(json.dumps({"0": best}))
    assert deephyper("train", "--config", "best.json")[0] == 0
    settings = torch.load(tmp_path / "training" / "last.pt", weights_only=True)["settings"]
    assert (settings["lr"], settings["seed"]) == (0.02, 7)


def test_a_resumed_training_equals_one_that_was_not_interrupted(deephyper, halides, trained, tmp_path):
    assert deephyper("train", "--folder", trained, "--resume", "--epochs", "4")[0] == 0
    whole = train(halides, tmp_path / "whole", "--epochs", "4")
    resumed, wanted = (torch.load(folder / "last.pt")["state_dict"] for folder in (trained, whole))
    assert all(torch.equal(resumed[name], wanted[name]) for name in wanted)
    assert json.loads((trained / "config.json").read_text())["epochs"] == 4


def test_a_training_is_resumed_from_a_checkpoint_in_another_folder(deephyper, halides, trained, tmp_path):
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    words = ("train", "--folder", "longer", "--resume", trained / "last.pt", "--epochs", "4")
    assert deephyper(*words)[0] == 0
    whole = train(halides, tmp_path / "whole", "--epochs", "4")
    resumed, wanted = (
        torch.load(folder / "last.pt")["state_dict"] for folder in (tmp_path / "longer", whole)
    )
    assert all(torch.equal(resumed[name], wanted[name]) for name in wanted)
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_a_trial_of_a_search_is_trained_longer(deephyper, halides, tmp_path):
    searched = ["hps", "random", "--evaluator", "process", "--max-evals", "1", "--num-workers", "1"]
    searched += ["--problem", "cgcnn_mp", "--run", "cgcnn_mp", "--log-dir", tmp_path / "search"]
    searched += ["--run-kwargs", f"data={halides}", "epochs=1", "device=cpu"]
    assert deephyper(*searched)[0] == 0
    assert deephyper("train", "--folder", "longer", "--resume", "search:best", "--epochs", "3")[0] == 0
    assert epochs_of(tmp_path / "longer") == 3
    best = tmp_path / "best.json"
    assert analytics.main(["topk", str(tmp_path / "search/results.csv"), "-o", str(best)]) == 0
    words = ("--config", best, "--folder", "again", "--resume", "search:best", "--epochs", "3")
    assert deephyper("train", *words)[0] == 0
    assert (tmp_path / "again/history.csv").read_text().count("\n") == 4


def test_a_problem_of_ones_own_crystals_is_trained_again_and_longer(
    deephyper, halides, tmp_path, monkeypatch
):
    project = Project(tmp_path / "own", "own")
    project.home.mkdir(parents=True)
    (project.home / "__init__.py").touch()
    new_problem(project, "salts", load_template("cgcnn"), [f"data={halides}"])
    monkeypatch.syspath_prepend(project.root)
    words = ["hps", "random", "--evaluator", "process", "--max-evals", "1", "--num-workers", "1"]
    words += ["--problem", "own.salts.problem.Problem", "--run", "own.salts.model_run.run"]
    assert deephyper(*words, "--log-dir", "search", "--run-kwargs", "epochs=1", "device=cpu")[0] == 0
    assert analytics.main(["topk", "search/results.csv", "-o", "best.json"]) == 0
    assert deephyper("train", "--config", "best.json", "--folder", "again")[0] == 0
    assert json.loads((tmp_path / "again/config.json").read_text())["data"] == str(halides)
    assert (tmp_path / "again/history.csv").read_text().split(",")[:6] == (
        (tmp_path / "search/trials/0000/attempt-1/history.csv").read_text().split(",")[:6]
    )
    assert deephyper("train", "--folder", "longer", "--resume", "search:best", "--epochs", "3")[0] == 0
    assert epochs_of(tmp_path / "longer") == 3


def test_fewer_epochs_than_a_checkpoint_has_are_refused(deephyper, trained, tmp_path):
    words = ("train", "--folder", "longer", "--resume", trained)
    said = refused(deephyper(*words, "--epochs", "1"))
    assert "the checkpoint is at epoch 2 and epochs=1 asks for fewer" in said
    assert "epoch 2 and epochs=2 asks for no more" in refused(deephyper(*words))
    assert not (tmp_path / "longer").exists()


def test_a_checkpoint_of_another_training_is_refused_and_nothing_is_made(
    deephyper, halides, trained, tmp_path
):
    (trained / "config.json").unlink()
    words = ("train", halides, "--folder", "longer", "--epochs", "4", "--resume")
    assert "is of another training: model atom_fea_len" in refused(deephyper(*words, trained / "last.pt"))
    assert f"{trained}/best.pt holds weights alone" in refused(deephyper(*words, trained / "best.pt", *SMALL))
    assert "a checkpoint without a name" in refused(deephyper(*words, ""))
    assert "there is no checkpoint nowhere.pt" in refused(deephyper(*words, "nowhere.pt"))
    assert not (tmp_path / "longer").exists()


def test_several_seeds_print_mean_and_deviation_and_can_be_resumed(deephyper, halides, tmp_path):
    words = ("train", halides, *SMALL, "--epochs", "1", "--folder", "seeds", "--different-seeds", "2")
    status, said, _ = deephyper(*words)
    assert status == 0
    rows = list(csv.DictReader((tmp_path / "seeds/seeds.csv").open()))
    assert [row["seed"] for row in rows] == ["0", "1"]
    errors = [float(row["validation mae"]) for row in rows]
    assert errors[0] != errors[1]
    shown = re.search(r"^validation mae +(\S+) +(\S+) +2$", said, re.MULTILINE)
    assert [float(text) for text in shown.groups()] == pytest.approx(
        [statistics.mean(errors), statistics.stdev(errors)], abs=1e-4
    )
    assert "seed-0 holds a training: go on with --resume" in refused(deephyper(*words))
    for resume in ([], ["--resume"]):
        (tmp_path / "seeds/seed-1/metrics.json").unlink()
        assert deephyper(*words, *resume)[0] == 0
        assert list(csv.DictReader((tmp_path / "seeds/seeds.csv").open())) == rows
    (tmp_path / "seeds/seed-1/metrics.json").unlink()
    assert "seed-0 holds a training" in refused(deephyper(*words, "--lr", "0.5"))
    assert "lr was 0.01 and is 0.5 now" in refused(deephyper(*words, "--lr", "0.5", "--resume"))
    assert deephyper(*words, "--epochs", "2", "--resume")[0] == 0
    assert [epochs_of(tmp_path / f"seeds/seed-{seed}") for seed in (0, 1)] == [2, 2]


def test_one_seed_is_refused(deephyper):
    assert "1 seed has no standard deviation; give at least 2" in refused(
        deephyper("train", "--different-seeds", "1")
    )


def test_resuming_a_finished_training_is_refused(deephyper, trained):
    said = refused(deephyper("train", "--folder", trained, "--resume"))
    assert "2 epochs are done" in said
    assert "ask for more with --epochs" in said


def test_resuming_a_training_that_ended_by_patience_is_refused(deephyper, halides, tmp_path):
    train(halides, tmp_path / "short", "--lr", "0.1", "--patience", "1", "--epochs", "500")
    said = refused(deephyper("train", "--folder", "short", "--resume"))
    assert "give a --patience above 1" in said


@pytest.mark.parametrize("name", ["metrics.json", "training_curve.png"])
def test_resume_writes_missing_metrics_and_figures(deephyper, trained, name):
    (trained / name).unlink()
    assert deephyper("train", "--folder", trained, "--resume")[0] == 0
    assert (trained / name).exists()
    assert epochs_of(trained) == 2


def test_resuming_with_another_setting_names_it(deephyper, trained):
    said = refused(deephyper("train", "--folder", trained, "--resume", "--epochs", "9", "--lr", "0.5"))
    assert "lr was 0.01 and is 0.5 now" in said
    assert epochs_of(trained) == 2


def test_resuming_without_a_training_is_refused(deephyper):
    assert "there is nothing to resume in training" in refused(deephyper("train", "--resume"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epoch", "3"], "did you mean '--epochs'?"),
        (["--epochs", "three"], "epochs is 'three'; it must be a whole number"),
        (["--epochs", "0"], "epochs is '0'; it must be greater than or equal to 1"),
        (["--n-conv", "0"], "n_conv is '0'"),
        (["--lr", "nan"], "lr is 'nan'; it must be a finite number"),
        (["--milestones", "50,x"], "milestones is 'x'"),
        (["--optim", "Adm"], "did you mean 'Adam'?"),
        (["--label", "dbl"], "unknown label 'dbl'"),
        (["--config", "nowhere.json"], "nowhere.json: No such file"),
        (["--folder", "file"], "this is a file"),
        (["--device", "gpu"], "unknown device 'gpu'"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(deephyper, halides, tmp_path, words, said):
    (tmp_path / "file").write_text("mine")
    assert said in refused(deephyper("train", halides, *words))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"epoch": 3}', "unknown setting 'epoch' (did you mean 'epochs'?)"),
        ('{"epochs": "ten"}', "epochs is 'ten'; it must be a whole number"),
        ('{"epochs": true}', "epochs is True"),
        ("[1]", "no JSON object"),
        ("{", "is no JSON"),
        (
            '{"0": {"id": "1", "objective": 1.0, "rerun": {"run": "mine.run"}}}',
            "its run function is mine.run",
        ),
    ],
)
def test_an_invalid_configuration_is_refused(deephyper, tmp_path, text, said):
    (tmp_path / "c.json").write_text(text)
    assert said in refused(deephyper("train", "--config", "c.json"))


def test_a_training_that_diverges_is_one_line_and_status_1(deephyper, halides):
    status, _, error = deephyper("train", halides, *SMALL, "--lr", "1e30")
    assert status == 1
    assert "try a smaller learning rate" in error
    assert len(error.splitlines()) == 1


def test_several_labels_are_trained_at_once(deephyper, halides, tmp_path):
    words = ["--label", "id_prop.csv,double", "--epochs", "1"]
    status, said, _ = deephyper("train", halides, *SMALL, *words)
    assert status == 0
    assert "epoch 1: validation MAE / standard deviation" in said


def test_a_classification_says_its_auc(deephyper, halides, tmp_path):
    words = ["--label", "odd", "--task", "classification", "--epochs", "1"]
    status, said, _ = deephyper("train", halides, *SMALL, *words)
    assert status == 0
    assert "epoch 1: validation negative log-likelihood" in said
    assert "auc" in said
    assert (tmp_path / "training" / "roc.png").exists()


COMMAND = [sys.executable, "-m", "dh_project.cli.main", "train"]
ENDLESS = ["--epochs", "100000", "--patience", "none"]


def interrupted(home, *words):
    """Start a training in a folder, press Ctrl-C after its first epoch, and return its standard error."""
    training = subprocess.Popen(
        [*COMMAND, *words],
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in the background makes them ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    limit = time.monotonic() + 100
    while not (home / "last.pt").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    training.send_signal(signal.SIGINT)
    _, error = training.communicate(timeout=60)
    assert training.returncode == 130
    return error


def first_line(home, *words):
    """Start a command, kill it after its first line, and return that line."""
    again = subprocess.Popen([*COMMAND, *words], cwd=home.parent, stdout=subprocess.PIPE, text=True)
    line = again.stdout.readline()
    again.kill()
    again.communicate()
    return line


@pytest.mark.slow
def test_ctrl_c_prints_the_command_that_resumes(halides, tmp_path):
    mine = tmp_path / "mine"
    words = [str(halides), *SMALL, *ENDLESS, "--folder", "mine"]
    assert interrupted(mine, *words).strip().splitlines() == [
        "interrupted; finished epochs are kept. Resume with: deephyper train --folder mine --resume"
    ]
    done = epochs_of(mine)
    another = subprocess.run([*COMMAND, *words, "--lr", "0.5"], cwd=tmp_path, capture_output=True, text=True)
    assert "mine holds a training: go on with --resume" in another.stderr
    assert first_line(mine, *words) == "goes on from the last epoch in mine\n"
    goes_on = [*COMMAND, "--folder", "mine", "--resume", "--epochs", str(done + 2)]
    subprocess.run(goes_on, cwd=tmp_path, check=True, capture_output=True)
    assert epochs_of(mine) in (done + 1, done + 2)


@pytest.mark.slow
def test_a_resumed_training_that_was_interrupted_is_resumed(trained, tmp_path):
    longer = tmp_path / "longer"
    words = ["--folder", "longer", "--resume", str(trained), *ENDLESS]
    assert "Resume with: deephyper train --folder longer --resume" in interrupted(longer, *words)
    assert json.loads((longer / "config.json").read_text())["atom_fea_len"] == 8
    assert first_line(longer, *words) == "goes on from the last epoch in longer\n"
    done = epochs_of(longer)
    goes_on = [*COMMAND, "--folder", "longer", "--resume", "--epochs", str(done + 1)]
    subprocess.run(goes_on, cwd=tmp_path, check=True, capture_output=True)
    assert epochs_of(longer) == done + 1


def test_a_refused_training_does_not_change_the_recorded_settings(deephyper, halides, trained):
    record = json.dumps({"data": str(halides)})
    (trained / "config.json").write_text(record)
    said = refused(deephyper("train", "--folder", trained, "--resume", "--epochs", "9"))
    assert "is of another training" in said
    assert (trained / "config.json").read_text() == record


def test_a_second_training_in_one_folder_is_refused(deephyper, halides, tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    with FileLock(folder / LOCK):
        assert "another training is at work in" in refused(deephyper("train", halides, *SMALL))
        assert [path.name for path in folder.iterdir()] == [LOCK]
