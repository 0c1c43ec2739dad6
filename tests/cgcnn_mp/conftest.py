"""Tiny data sets in the original CGCNN's layout."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_crystals import CRYSTALS, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve alkali halides, labelled 0 to 11."""
    return write_folder(tmp_path / "halides", CRYSTALS)


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str, str], Path]:
    """Make a folder with one more crystal, ``bad``, of given CIF text and label."""

    def make(cif: str, label: str) -> Path:
        labels = dict.fromkeys(CRYSTALS, "1.0") | {"bad": label}
        folder = write_folder(tmp_path / "broken", CRYSTALS, labels)
        if cif:
            (folder / "bad.cif").write_text(cif)
        return folder

    return make
