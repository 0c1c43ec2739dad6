"""What a reader of the documentation has: an environment, and some crystals."""

import sys
from pathlib import Path

import pytest
from environments import Environment
from halides import write_halides


@pytest.fixture
def environment(tmp_path):
    """An environment in which this project is installed, and no other yet: each page makes its own."""
    environment = Environment(tmp_path / "venv")
    environment.variables.setdefault("MPI4PY_LIBMPI", str(Path(sys.prefix) / "lib/libmpi.so.12"))
    return environment


@pytest.fixture(scope="session")
def crystals(tmp_path_factory):
    """Return a folder of twelve alkali halides, as the original CGCNN takes one."""
    folder = tmp_path_factory.mktemp("documented") / "halides"
    write_halides(folder)
    return folder
