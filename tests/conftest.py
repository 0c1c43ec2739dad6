"""Fixtures for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what tests prepare out of the user's own cache; share it among them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DH_PROJECT_CACHE", str(folder))
        yield folder


@pytest.fixture
def samples() -> Path:
    """Folder of small problem and run modules."""
    return Path(__file__).parent / "samples"
