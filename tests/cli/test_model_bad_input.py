"""Data and checkpoints that ``train``, ``predict`` and ``load_data`` refuse: one line, status 2, nothing written."""

from pathlib import Path

import pytest
import small_trainings
import torch
from pymatgen.core import DummySpecies, Lattice, Structure
from small_trainings import HALIDES, SMALL, write_cifs

from dh_project.cgcnn_mp import load_data
from dh_project.cgcnn_mp.training.checkpoint import SCHEMA, load_checkpoint
from dh_project.cli import main

halides, trained, trained_once = (
    small_trainings.halides,
    small_trainings.trained,
    small_trainings.trained_once,
)

COMMANDS = {
    "train": lambda data, trained: main.main(["train", data, *SMALL]),
    "predict": lambda data, trained: main.main(["predict", str(trained), data, "-o", "out.csv"]),
    "load_data": lambda data, trained: load_data.main([data]),
}


@pytest.fixture
def refused(trained, tmp_path, monkeypatch, capsys):
    """Return a function that gives a command a data set, checks that this is refused, and returns the line."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def refused(command, data):
        capsys.readouterr()
        status = COMMANDS[command](str(data), trained)
        said = capsys.readouterr()
        assert (status, said.out) == (2, "")
        assert len(said.err.strip().splitlines()) == 1, said.err
        assert list(work.iterdir()) == []
        return said.err

    return refused


def data_set(folder: Path, crystals: dict[str, Structure], label: str = "") -> Path:
    """Write crystals with their number as label, or all with one label."""
    write_cifs(folder, crystals)
    lines = [f"{identifier},{label or number}\n" for number, identifier in enumerate(crystals)]
    (folder / "id_prop.csv").write_text("".join(lines))
    return folder


def element(species: object) -> Structure:
    return Structure(Lattice.cubic(3.0), [species], [[0, 0, 0]])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_table(refused, tmp_path, command):
    assert "id_prop.csv" in (said := refused(command, data_set(tmp_path / "empty", {})))
    assert "is empty" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_folder(refused, tmp_path, command):
    (tmp_path / "empty").mkdir()
    assert "id_prop.csv" in refused(command, tmp_path / "empty")


@pytest.mark.parametrize("command", ["train", "load_data"])
def test_one_crystal_cannot_be_split(refused, tmp_path, command):
    assert "set is empty: 1 crystals" in refused(
        command, data_set(tmp_path / "one", dict([*HALIDES.items()][:1]))
    )


def test_one_label_value_cannot_be_learnt(refused, tmp_path):
    said = refused("train", data_set(tmp_path / "same", HALIDES, label="1.5"))
    assert "all labels of the training set are 1.5" in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("crystal", "reason"),
    [
        pytest.param(element(DummySpecies("X")), "no element", id="no element"),
        pytest.param(element("Og"), "element of atomic number 118 has no features", id="no features"),
    ],
)
def test_an_unknown_element(refused, tmp_path, command, crystal, reason):
    assert reason in refused(command, data_set(tmp_path / "unknown", {"strange": crystal}))


def truncated(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-1000])
    return "damaged"


def of_another_model(path: Path) -> str:
    torch.save({"state_dict": {"layer.weight": torch.ones(2, 2)}, "normalizer": {"mean": 0, "std": 1}}, path)
    return ""


def of_a_newer_schema(path: Path) -> str:
    torch.save(load_checkpoint(path) | {"schema": SCHEMA + 1}, path)
    return f"schema {SCHEMA + 1}"


@pytest.mark.parametrize("harm", [truncated, of_another_model, of_a_newer_schema])
def test_a_checkpoint_that_cannot_be_used(trained, halides, tmp_path, capsys, monkeypatch, harm):
    monkeypatch.chdir(tmp_path)
    said = [harm(trained / name) for name in ("best.pt", "last.pt")]
    before = contents(trained)
    for words, file in (
        (["predict", str(trained), str(halides), "-o", "out.csv"], "best.pt"),
        (["train", "--folder", str(trained), "--resume", "--epochs", "4"], "last.pt"),
    ):
        capsys.readouterr()
        assert main.main(words) == 2
        error = capsys.readouterr().err
        assert len(error.strip().splitlines()) == 1, error
        assert file in error
        assert said[0] in error
    assert contents(trained) == before
    assert not (tmp_path / "out.csv").exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
