"""What a reader of the documentation has: an environment, and some crystals."""

import sys
from pathlib import Path

import pytest
from environments import Environment
from literal_blocks import REPOSITORY
from reading import follow
from typed_pages import PAGES


@pytest.fixture
def environment(tmp_path):
    """An environment in which this project is installed, and no other yet: each page makes its own."""
    environment = Environment(tmp_path / "venv")
    environment.variables.setdefault("MPI4PY_LIBMPI", str(Path(sys.prefix) / "lib/libmpi.so.12"))
    return environment


@pytest.fixture
def read(environment, crystals, tmp_path):
    """Return a function that types what stands on a page, in an empty folder."""
    folder = tmp_path / "reader"
    folder.mkdir()

    def follow_page(name, **variables):
        for key, value in {"REPOSITORY": REPOSITORY, **variables}.items():
            environment.variables[key] = str(value)
        return follow(PAGES[name], environment, folder, crystals)

    return follow_page
