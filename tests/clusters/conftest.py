"""Batch systems for the tests: a real Slurm, and fakes of PBS's commands."""

import shutil
import tempfile
from pathlib import Path

import pytest
from real_slurm import RealSlurm, missing_programs


@pytest.fixture(scope="session")
def slurm():
    """A running Slurm of one node with three cores, whose commands this process and its children reach."""
    if missing := missing_programs():
        pytest.skip(f"{', '.join(missing)} missing; Debian's packages slurm-wlm and munge have them")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # short, for the sockets in it
    folder.chmod(0o755)
    slurm = RealSlurm(folder, cores=3)
    try:
        with pytest.MonkeyPatch.context() as patch:
            slurm.start()
            for name, value in slurm.environment().items():
                patch.setenv(name, value)
            yield slurm
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)
