"""A real Balsam for the tests: a Balsam folder with its own server and site."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dh_project.cli.main import main
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.install.installation import Installation

pytest.register_assert_rewrite("dh_project.testing.evaluator")


@pytest.fixture
def installation(balsam_folder) -> Installation:
    """The paths of the Balsam folder."""
    return Installation(balsam_folder)


@pytest.fixture
def client(balsam_folder) -> Iterator[BalsamClient]:
    """A client of the folder's server."""
    with BalsamClient.of(Installation(balsam_folder), patience=20.0) as client:
        yield client


@pytest.fixture
def another_folder(balsam_folder, tmp_path) -> Iterator[Path]:
    """An unfinished Balsam folder that already has Balsam's environment, whose installation takes half a minute."""
    folder = tmp_path / "another"
    folder.mkdir()
    (folder / "balsam-init.log").touch()
    (folder / "environment").symlink_to(balsam_folder / "environment")
    yield folder
    if (folder / "installation.json").exists():
        main(["balsam-stop", str(folder)])


@pytest.fixture
def command():
    """Return a function that runs a command as a process, and returns its result."""

    def run(*words, given=""):
        return subprocess.run(
            [sys.executable, "-m", "dh_project.cli.main", *map(str, words)],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
