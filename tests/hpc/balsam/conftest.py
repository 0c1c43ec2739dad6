"""A real Balsam for the tests: a folder of ``balsam-init``, with its own server and site."""

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
    """The folder's paths."""
    return Installation(balsam_folder)


@pytest.fixture
def client(balsam_folder) -> Iterator[BalsamClient]:
    """Speaks with the folder's server."""
    with BalsamClient.of(Installation(balsam_folder), patience=20.0) as client:
        yield client


@pytest.fixture
def another_folder(balsam_folder, tmp_path) -> Iterator[Path]:
    """A folder to be made, with Balsam's environment in it already: installing takes half a minute."""
    folder = tmp_path / "another"
    folder.mkdir()
    (folder / "balsam-init.log").touch()
    (folder / "environment").symlink_to(balsam_folder / "environment")
    yield folder
    if (folder / "installation.json").exists():
        main(["balsam-stop", str(folder)])


@pytest.fixture
def command():
    """Runs a command as a process of its own; gives its exit status, and what it said."""

    def run(*words, given=""):
        return subprocess.run(
            [sys.executable, "-m", "dh_project.cli.main", *map(str, words)],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    return run
