"""A Python environment for installing projects, and a project in it."""

import pytest
from environments import Environment


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="session")
def project(environment, tmp_path_factory):
    """Return the folder of the problems of a project, made by the first command of the tutorial."""
    folder = tmp_path_factory.mktemp("projects")
    environment.run("deephyper", "start-project", "demo", cwd=folder)
    return folder / "demo/demo"


@pytest.fixture
def own_project(tmp_path):
    """Return the folder of the problems of a project that is not installed."""
    home = tmp_path / "mine/mine"
    home.mkdir(parents=True)
    (home.parent / "pyproject.toml").write_text('[tool.deephyper]\npackage = "mine"\n')
    return home
