"""The run function: alone, in a trial, resumed, and with wrong arguments."""

import json
import subprocess
import sys

import pytest
import torch

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.model_run import prepare, run
from dh_project.cgcnn_mp.training.checkpoint import load_checkpoint
from dh_project.trial.reporting import Connection, connect
from dh_project.user_code.run_seed import with_own_seed

POINT = {"lr": 0.02, "atom_fea_len": 8, "h_fea_len": 8, "n_conv": 1, "batch_size": 4, "optim": "Adam"}


class Listener(Connection):
    """The connection of a search that keeps reports and records, and returns False from ``last_epoch`` on."""

    seed = 1

    def __init__(self, last_epoch=1000, folder=None, predecessor=None):
        self.reports, self.facts = [], {}
        self.last_epoch, self.folder = last_epoch, folder
        self.predecessors = [] if predecessor is None else [predecessor]

    def report(self, step, objective, of=None):
        self.reports.append((step, objective))
        return step < self.last_epoch

    def record(self, facts):
        self.facts.update(facts)


@pytest.fixture
def listen():
    def connected(**options):
        listener = Listener(**options)
        connect(listener)
        return listener

    yield connected
    connect(Connection())


@pytest.fixture
def quick(folder, tmp_path):
    """Arguments of a run over twelve crystals."""
    return {"data": str(folder), "epochs": 3, "device": "cpu", "cache_folder": str(tmp_path / "cache")}


def ids(folder):
    """Return the ids of a folder's crystals."""
    return [line.partition(",")[0] for line in (folder / "id_prop.csv").read_text().splitlines()]


def test_replicates_have_seeds_of_their_own():
    assert [with_own_seed(run, {"epochs": 1}, number) for number in (1, 2)] == [
        {"epochs": 1, "seed": 1},
        {"epochs": 1, "seed": 2},
    ]


def test_it_runs_alone_and_writes_nothing(quick, tmp_path, monkeypatch):
    before = dict(POINT)
    prepare(**quick)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    objective = run(POINT, **quick)
    assert isinstance(objective, float)
    assert objective < 0
    assert before == POINT
    assert list((tmp_path / "here").iterdir()) == []


def test_an_empty_point_is_the_originals(quick, listen):
    listener = listen()
    run({}, **quick | {"epochs": 1})
    assert (
        listener.facts["parameters"] == 80_833
    )  # of the original network at its defaults, 92 element features


def test_equal_arguments_give_the_same_objective(quick):
    assert run(POINT, **quick) == run(POINT, **quick)


def test_every_epoch_is_reported_and_the_best_returned(quick, listen):
    listener = listen()
    objective = run(POINT, **quick)
    assert [step for step, _ in listener.reports] == [1, 2, 3]
    assert objective == max(value for _, value in listener.reports)


def test_recorded_facts(quick, listen):
    listener = listen()
    objective = run(POINT, **quick, seed=3)
    facts = listener.facts
    assert set(facts) == {
        "val_mae", "test_mae", "best_epoch", "epochs", "parameters", "seconds", "device", "peak_memory_mb",
        "seed", "threads", "ranks", "kernels",
    }  # fmt: skip
    assert facts["val_mae"] == -objective
    assert (facts["epochs"], facts["device"], facts["seed"], facts["threads"]) == (3, "cpu", 3, 1)
    json.dumps(facts, allow_nan=False)


def test_the_kernels_that_were_asked_for_compute(quick, listen):
    listener = listen()
    run(POINT, **quick, kernels="torch")
    assert listener.facts["kernels"] == "torch"


def test_several_labels_at_once(quick, folder, listen):
    rows = [f"{line},{position % 5}" for position, line in enumerate(ids(folder))]
    (folder / "labels.csv").write_text("\n".join(["material_id,gap", *rows]))
    listener = listen()
    objective = run(POINT, **quick, label=["id_prop.csv", "gap"])
    facts = listener.facts
    errors = [name for name in facts if "mae" in name]
    assert errors == [
        f"{which}_{name}"
        for which in ("val", "test")
        for name in ("scaled_mae", "mae_id_prop.csv", "mae_gap")
    ]
    assert facts["val_scaled_mae"] == -objective == -max(value for _, value in listener.reports)


def test_classification(quick, folder, listen):
    table = "".join(f"{name},{position % 2}\n" for position, name in enumerate(ids(folder)))
    (folder / "id_prop.csv").write_text(table)
    listener = listen()
    objective = run(POINT, **quick, task="classification")
    assert listener.facts["val_nll"] == -objective
    assert {f"{which}_{name}" for which in ("val", "test") for name in ("accuracy", "auc", "f1")} < set(
        listener.facts
    )
    assert "val_mae" not in listener.facts
    json.dumps(listener.facts, allow_nan=False)


def test_dropout_of_a_classification_is_the_originals_unless_the_point_says_another(quick, folder, tmp_path):
    table = "".join(f"{name},{position % 2}\n" for position, name in enumerate(ids(folder)))
    (folder / "id_prop.csv").write_text(table)
    for point, expected in ((POINT, None), (POINT | {"dropout": 0.0}, 0.0)):
        run(point, **quick, task="classification", folder=tmp_path / "run")
        assert load_checkpoint(tmp_path / "run/best.pt")["model"]["dropout"] == expected


def test_the_rule_for_ties_reaches_the_graphs_and_the_checkpoint(quick, tmp_path):
    for options, expected in (({}, "environment"), ({"ties": "pymatgen"}, "pymatgen")):
        run(POINT, **quick, **options, folder=tmp_path / "run")
        assert load_checkpoint(tmp_path / "run/best.pt")["graphs"]["ties"] == expected


@pytest.mark.parametrize(
    "options", [{"loss": "l1"}, {"schedule": "one-cycle"}, {"clip_norm": 0.01}, {"averaging": 0.9}], ids=str
)
def test_each_option_of_the_training_reaches_it(quick, options):
    assert run(POINT, **quick, **options) != run(POINT, **quick)


def test_a_report_answered_with_false_ends_training(quick, listen):
    listener = listen(last_epoch=2)
    objective = run(POINT, **quick)
    assert listener.facts["epochs"] == 2
    assert objective == max(value for _, value in listener.reports)


def test_checkpoints_go_to_the_trials_folder(quick, listen, tmp_path):
    listen(folder=tmp_path / "trial")
    run(POINT, **quick)
    assert (tmp_path / "trial/last.pt").exists()
    assert (tmp_path / "trial/best.pt").exists()


def test_an_interrupted_attempt_is_resumed(quick, listen, tmp_path):
    uninterrupted = run(POINT, **quick, folder=tmp_path / "whole")
    listen(last_epoch=1, folder=tmp_path / "first")
    run(POINT, **quick)
    second = listen(folder=tmp_path / "second", predecessor=tmp_path / "first")
    assert run(POINT, **quick) == uninterrupted
    assert [step for step, _ in second.reports] == [
        1,
        2,
        3,
    ]  # a kill may have lost the report of the first epoch
    whole, resumed = (
        load_checkpoint(tmp_path / name / "last.pt")["state_dict"] for name in ("whole", "second")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def child(quick, listen, tmp_path, **changed):
    """Train two epochs, and a child of it one epoch more with changed hyperparameters; return its listener."""
    listen(folder=tmp_path / "parent", last_epoch=2)
    run(POINT, **quick)
    listener = listen(folder=tmp_path / "child", predecessor=tmp_path / "parent")
    run(POINT | changed, **quick)
    return listener


@pytest.mark.parametrize(
    "changed",
    [{"lr": 0.01}, {"weight_decay": 0.1}, {"batch_size": 3}, {"optim": "SGD"}, {"dropout": 0.2}],
    ids=str,
)
def test_a_child_goes_on_from_its_parent_with_other_hyperparameters(quick, listen, tmp_path, changed):
    listener = child(quick, listen, tmp_path, **changed)
    assert [step for step, _ in listener.reports] == [2, 3]  # the parent's last epoch, and its own
    assert "began_anew" not in listener.facts
    state = load_checkpoint(tmp_path / "child/last.pt")
    assert len(state["history"]) == 3
    name, value = next(iter(changed.items()))
    assert state["optimizer"]["param_groups"][0].get(name, value) == value
    assert state["history"][2]["learning_rate"] == changed.get("lr", POINT["lr"])


def test_a_child_of_another_architecture_begins_anew_and_says_so(quick, listen, tmp_path, capsys):
    listener = child(quick, listen, tmp_path, n_conv=2)
    assert [step for step, _ in listener.reports] == [1, 2, 3]
    assert "model n_conv 1, not 2" in listener.facts["began_anew"]
    assert "training begins anew" in capsys.readouterr().out


def test_a_torn_checkpoint_begins_anew_and_says_so(quick, listen, tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/last.pt").write_bytes(b"PK" + bytes(100))
    listener = listen(folder=tmp_path / "next", predecessor=tmp_path / "torn")
    run(POINT, **quick)
    assert [step for step, _ in listener.reports] == [1, 2, 3]
    assert "a damaged one" in listener.facts["began_anew"]


def test_an_attempt_without_a_checkpoint_starts_from_the_beginning(quick, listen, tmp_path):
    (tmp_path / "first").mkdir()
    second = listen(folder=tmp_path / "second", predecessor=tmp_path / "first")
    run(POINT, **quick)
    assert [step for step, _ in second.reports] == [1, 2, 3]


def test_a_data_set_without_test_crystals_has_no_test_mae(quick, listen):
    listener = listen()
    run(POINT, **quick, test_ratio=0.0)
    assert listener.facts["test_mae"] is None


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"learning_rate": 0.1}, "unknown hyperparameter 'learning_rate'"),
        ({"n_convs": 3}, "did you mean 'n_conv'"),
        ({"n_conv": 2.5}, "n_conv is 2.5; it must be a whole number"),
        ({"n_h": 0}, "n_h is 0; it must be greater than or equal to 1"),
        ({"lr": "fast"}, "lr is 'fast'; it must be a number"),
        ({"optim": "Adma"}, "did you mean 'Adam'"),
    ],
)
def test_a_wrong_point_is_refused(quick, point, message):
    with pytest.raises(ValueError, match=message):
        run(point, **quick)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epoch": 3}, "unknown argument 'epoch' .did you mean 'epochs'"),
        ({"radios": 6.0}, "unknown argument 'radios' .did you mean 'radius'"),
        ({"max_num_nbr": 8}, "unknown argument 'max_num_nbr'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"task": "regresion"}, "did you mean 'regression'"),
        ({"loss": "mae"}, "unknown loss 'mae'.*valid: mse, l1, huber"),
        ({"schedule": "linear"}, "unknown schedule 'linear'.*valid: multi-step, cosine, one-cycle"),
        ({"kernels": "cuda"}, "unknown kernels 'cuda'"),
        ({"mixed_precision": True}, "mixed_precision needs a GPU"),
        ({"cuda_graphs": True}, "cuda_graphs needs a GPU"),
        ({"ties": "pymatgn"}, "did you mean 'pymatgen'"),
        ({"group_by": "formula"}, "unknown group_by 'formula'; valid: composition, chemical_system"),
        ({"data": "no_such_folder"}, "no_such_folder"),
        ({"epochs": "ten"}, "epochs is 'ten'; it must be a whole number"),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_trial(quick, wrong, message):
    with pytest.raises(ValueError, match=message):
        prepare(**quick | wrong)


def test_running_alone_refuses_an_unknown_argument(quick):
    with pytest.raises(ValueError, match=r"unknown argument 'epoch' \(did you mean 'epochs'"):
        run(POINT, **quick, epoch=3)


def test_preparing_builds_the_graphs(quick, tmp_path):
    prepare(**quick)
    assert list((tmp_path / "cache").glob("*.safetensors"))


def test_labels_of_one_value_are_refused(quick, folder):
    (folder / "id_prop.csv").write_text("".join(f"{name},2.5\n" for name in ids(folder)))
    with pytest.raises(ValueError, match="all labels of the training set are 2"):
        run(POINT, **quick)
    with pytest.raises(ValueError, match="all labels of the training set are 2"):
        prepare(**quick)


def test_labels_other_than_classes_are_refused_before_the_first_trial(quick):
    with pytest.raises(ValueError, match="classification needs labels 0 and 1"):
        prepare(**quick | {"task": "classification"})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_reported_before_the_first_trial(quick):
    with pytest.raises(ValueError, match="torch finds 0 GPUs"):
        prepare(**quick | {"device": "cuda"})


def test_bad_data_raises_a_data_error(quick, folder):
    (folder / "id_prop.csv").unlink()
    with pytest.raises(DataError, match=r"id_prop\.csv"):
        prepare(**quick)


def test_importing_it_brings_in_no_search_and_no_gpu():
    code = (
        "import sys, torch; import dh_project.cgcnn_mp.model_run; "
        "assert not torch.cuda.is_initialized(); "
        "assert not {'deephyper', 'ConfigSpace', 'ray', 'pymatgen', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_it_brings_in_the_kernels_so_that_no_trial_must(quick):
    pytest.importorskip("numba")
    prepare(**quick)
    code = (
        "import sys, dh_project.worker.child, dh_project.cgcnn_mp.model_run as model_run; before = set(sys.modules); "
        f"model_run.run({POINT!r}, data=sys.argv[1], epochs=1, device='cpu', cache_folder=sys.argv[2]); "
        "late = {name for name in set(sys.modules) - before if name.startswith(('numba', 'dh_project'))}; "
        "assert not late, late"
    )
    subprocess.run([sys.executable, "-c", code, quick["data"], quick["cache_folder"]], check=True)


def test_prepare_refuses_one_folder_for_all_trials():
    with pytest.raises(ValueError, match="each trial of a search has its own"):
        prepare(folder="shared")
