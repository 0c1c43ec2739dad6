"""A training goes on from another folder, and after its data was moved; other data is refused."""

import json
import shutil

import pytest
from small_trainings import SMALL
from small_trainings import halides as halides

from dh_project.cli import main


@pytest.fixture
def trained_on_own_data(halides, tmp_path, monkeypatch):
    """A training of one epoch on the relative path ``crystals``."""
    shutil.copytree(halides, tmp_path / "crystals")
    monkeypatch.chdir(tmp_path)
    assert main.main(["train", "crystals", "--folder", "training", *SMALL, "--epochs", "1"]) == 0
    return tmp_path / "training"


def go_on(folder, *data):
    return main.main(["train", *data, "--folder", str(folder), "--resume", "--epochs", "2"])


def test_it_goes_on_from_another_folder(trained_on_own_data, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert go_on(trained_on_own_data) == 0


def test_it_goes_on_after_its_data_was_moved(trained_on_own_data, tmp_path):
    (tmp_path / "crystals").rename(tmp_path / "moved")
    assert go_on(trained_on_own_data, "moved") == 0
    assert json.loads((trained_on_own_data / "config.json").read_text())["data"] == str(tmp_path / "moved")


def test_it_does_not_go_on_with_other_data(trained_on_own_data, halides, tmp_path, capsys):
    shutil.copytree(halides, tmp_path / "others")
    table = tmp_path / "others" / "id_prop.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert go_on(trained_on_own_data, "others") == 2
    assert "data was" in capsys.readouterr().err
