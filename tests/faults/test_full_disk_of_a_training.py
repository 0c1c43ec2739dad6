"""A disk that is full while a checkpoint, the graphs or a table of predictions are written: the old file stays."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from harness import say
from pymatgen.core import Lattice, Structure
from small_disk import Mount, full_disk

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SMALL = ["--atom-fea-len", "8", "--h-fea-len", "8", "--n-conv", "1", "--batch-size", "4", "--device", "cpu"]


def write_crystals(folder: Path, anion: str) -> Path:
    """Write eight crystals with their number as label."""
    folder.mkdir()
    cations = ["Li", "Na", "K", "Rb", "Cs", "Ag", "Cu", "Tl"]
    for number, cation in enumerate(cations):
        places = [[0, 0, 0], [0.5, 0.5, 0.5]]
        structure = Structure(Lattice.cubic(3 + 0.1 * number), [cation, anion], places)
        structure.to(str(folder / f"{cation}.cif"), fmt="cif")
    lines = [f"{cation},{number}\n" for number, cation in enumerate(cations)]
    (folder / "id_prop.csv").write_text("".join(lines))
    return folder


@pytest.fixture
def disk(tmp_path):
    with closing(full_disk(tmp_path / "disk", 2**20)) as disk:
        yield disk


@pytest.fixture
def deephyper(tmp_path, disk):
    """Return a function that runs the command line with the small disk, and returns its status and output."""

    def deephyper(*words, is_full=True):
        prefix = disk.prefix if is_full or isinstance(disk, Mount) else []
        command = [*prefix, sys.executable, "-m", "dh_project.cli.main", *map(str, words)]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ
        )
        return done.returncode, done.stderr

    return deephyper


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix != ".lock" and path.name != "ballast"
    }


def assert_refused(answer, name: str) -> None:
    """Check for one line that names a file or folder and why it cannot be written."""
    status, said = answer
    say(f"it said: {said.strip()}")
    assert status == 2
    assert len(said.strip().splitlines()) == 1
    assert name in said
    assert "No space left on device" in said or "File too large" in said


def test_of_checkpoints_the_old_one_stays_and_after_making_room_training_goes_on(disk, deephyper, tmp_path):
    words = ["train", write_crystals(tmp_path / "data", "Cl"), *SMALL]
    status, said = deephyper(*words, "--folder", disk.inside / "mine", "--epochs", 2, is_full=False)
    assert status == 0, said
    before = contents(disk.outside / "mine")
    disk.fill()
    assert_refused(deephyper("train", "--folder", disk.inside / "mine", "--resume", "--epochs", 4), "mine")
    assert contents(disk.outside / "mine") == before
    disk.make_room()
    assert deephyper("train", "--folder", disk.inside / "mine", "--resume", "--epochs", 4)[0] == 0
    assert len((disk.outside / "mine" / "history.csv").read_text().splitlines()) == 5


def test_the_old_graphs_and_the_old_table_stay(disk, deephyper, tmp_path):
    old, new = (write_crystals(tmp_path / anion, anion) for anion in ("Cl", "Br"))
    assert (
        deephyper("train", old, *SMALL, "--epochs", 1, "--folder", tmp_path / "mine", is_full=False)[0] == 0
    )
    inside, outside = disk.inside / "cache", disk.outside / "cache"
    outside.mkdir()
    predict = ["predict", tmp_path / "mine", "--cache-folder", inside]
    assert deephyper(*predict, old, "-o", inside / "out.csv", is_full=False)[0] == 0
    before = contents(outside)
    disk.fill()
    assert_refused(deephyper(*predict, new, "-o", tmp_path / "out.csv"), "cache")
    assert not (tmp_path / "out.csv").exists()
    assert_refused(deephyper(*predict, old, "-o", inside / "out.csv"), "out.csv")
    assert contents(outside) == before
