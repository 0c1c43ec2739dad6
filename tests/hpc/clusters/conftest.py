"""Schedulers for the tests: a real Slurm, and fakes of PBS's commands."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from real_slurm import RealSlurm, missing_programs
from search_record import FAKE_PBS


@pytest.fixture
def deephyper(tmp_path):
    """Return a function that runs a command as a process in an empty folder, and returns its result."""
    folder = tmp_path / "project"
    folder.mkdir()

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "dh_project.cli.main", *map(str, words)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def own_sites(tmp_path, monkeypatch):
    """A folder for site files of the user's own."""
    folder = tmp_path / "sites"
    folder.mkdir()
    monkeypatch.setenv("DH_PROJECT_SITES", str(folder))
    return folder


@pytest.fixture
def pbs(tmp_path, monkeypatch):
    """Fakes of PBS's commands on PATH, and their jobs, which end with the test."""
    monkeypatch.setenv("PATH", f"{FAKE_PBS}{os.pathsep}{os.environ['PATH']}")
    pbs = FakePBS(tmp_path / "pbs")
    monkeypatch.setenv("FAKE_PBS_HOME", str(pbs.folder))
    yield pbs
    pbs.stop()


class FakePBS:
    """The jobs of the fakes."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def jobs(self):
        """Return the record of each job by its id."""
        jobs = [json.loads(path.read_text()) for path in self.folder.glob("*.json")]
        return {job["id"]: job for job in jobs}

    def stop(self):
        """End the waiting and running jobs."""
        for job in sorted(self.jobs(), reverse=True):
            subprocess.run(["qdel", job], capture_output=True, check=False)


@pytest.fixture(scope="session")
def slurm():
    """A running Slurm of one node with two cores; its commands are on PATH."""
    if missing := missing_programs():
        pytest.skip(f"{', '.join(missing)} missing; Debian's packages slurm-wlm and munge have them")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # short, for the sockets in it
    folder.chmod(0o755)
    slurm = RealSlurm(folder, cores=2)
    try:
        with pytest.MonkeyPatch.context() as patch:
            slurm.start()
            for name, value in slurm.environment().items():
                patch.setenv(name, value)
            yield slurm
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)
