"""The name of a downloaded checkpoint, whatever its address."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dh_project.cgcnn_mp.training.download import _file_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.org/x/formation-energy.pth.tar?download=1", "formation-energy.pth.tar"),
        ("https://a.org/x%00.pt", "x_.pt"),
        ("https://a.org/x/%2e%2e", "checkpoint"),
        ("https://a.org/", "a.org"),
    ],
)
def test_a_download_is_named_by_its_address(url: str, name: str):
    assert _file_name(url) == name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=300))
def test_any_address_gives_a_name_that_a_folder_can_hold(tmp_path: Path, text: str):
    path = tmp_path / _file_name(f"https://a.org/{quote(text, errors='replace')}")
    assert path.parent == tmp_path
    path.touch()
    path.unlink()
