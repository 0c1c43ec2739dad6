"""Small data sets and trainings for the tests of ``train`` and ``predict``."""

import shutil
from pathlib import Path

import pytest
from pymatgen.core import Structure
from rock_salt import halides

from dh_project.cli import main

SMALL = ["--atom-fea-len", "8", "--h-fea-len", "8", "--n-conv", "1", "--batch-size", "4", "--device", "cpu"]
"""Options of a fast training."""


HALIDES = halides()


def write_cifs(folder: Path, crystals: dict[str, Structure]) -> Path:
    folder.mkdir(parents=True)
    for identifier, structure in crystals.items():
        structure.to(str(folder / f"{identifier}.cif"), fmt="cif")
    return folder


@pytest.fixture(scope="session")
def halides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve alkali halides, labelled 0 to 11; also with a class, and twice the label, in ``labels.csv``."""
    folder = write_cifs(tmp_path_factory.mktemp("data") / "halides", HALIDES)
    (folder / "id_prop.csv").write_text("".join(f"{name},{i}\n" for i, name in enumerate(HALIDES)))
    rows = [f"{name},{i % 2},{2 * i}\n" for i, name in enumerate(HALIDES)]
    (folder / "labels.csv").write_text("material_id,odd,double\n" + "".join(rows))
    return folder


def train(halides: Path, folder: Path, *options: str) -> Path:
    """Train two epochs in a folder."""
    words = ["train", str(halides), "--folder", str(folder), *SMALL, "--epochs", "2", *options]
    assert main.main(words) == 0
    return folder


@pytest.fixture(scope="session")
def trained_once(halides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(halides, tmp_path_factory.mktemp("trained") / "training")


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A copy of a training of two epochs over the halides."""
    return Path(shutil.copytree(trained_once, tmp_path / "training"))
