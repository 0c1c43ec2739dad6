"""What a reader of the documentation has: an environment, and some crystals."""

import pytest
from environments import Environment
from halides import write_halides


@pytest.fixture
def environment(tmp_path):
    """An environment in which this project is installed, and no other yet: each page makes its own."""
    return Environment(tmp_path / "venv")


@pytest.fixture(scope="session")
def crystals(tmp_path_factory):
    """Return a folder of twelve alkali halides, as the original CGCNN takes one."""
    folder = tmp_path_factory.mktemp("documented") / "halides"
    write_halides(folder)
    return folder
