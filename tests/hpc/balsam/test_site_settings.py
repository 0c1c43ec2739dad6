"""The settings of a site are read or refused in one line, and names of data stand for their paths."""

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.jobs.site_settings import SiteSettings, paths_in, read_site_settings


@pytest.fixture
def settings_in(tmp_path):
    """Return a function that writes the file and reads it."""

    def read(text):
        installation = Installation(tmp_path / "polydb")
        installation.folder.mkdir(exist_ok=True)
        installation.settings_file.write_text(text)
        return read_site_settings(installation)

    return read


def test_without_a_file_nothing_is_set(tmp_path):
    assert read_site_settings(Installation(tmp_path)) == SiteSettings()


def test_relative_paths_are_meant_from_the_balsam_folder(settings_in, tmp_path):
    settings = settings_in('outputs = "out"\nwork_directory = "/scratch/me"\n[data]\nmp = "../crystals"\n')
    assert settings.outputs == tmp_path / "polydb" / "out"
    assert str(settings.work_directory) == "/scratch/me"
    assert settings.data["mp"].resolve() == tmp_path / "crystals"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('ouputs = "out"', "unknown setting 'ouputs' (did you mean 'outputs'?)"),
        ("image = 3", "image"),
        ("image =", "cannot be read as TOML"),
        ('data = "x"', "data"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(settings_in, text, said):
    with pytest.raises(UserError) as caught:
        settings_in(text)
    assert said in str(caught.value)
    assert "dh_project.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_argument_names_a_data_place_or_a_file_that_is_there(tmp_path):
    place = tmp_path / "crystals"
    place.mkdir()
    (tmp_path / "labels.csv").touch()
    settings = SiteSettings(data={"mp": place})
    run_kwargs = {
        "data": "mp",
        "labels": "labels.csv",
        "epochs": 2,
        "optimizer": "adam",
        "names": ["mp", "b"],
    }
    assert paths_in(run_kwargs, settings, tmp_path) == {"data": place, "labels": tmp_path / "labels.csv"}


def test_a_data_place_that_is_not_there_is_a_mistake(tmp_path):
    settings = SiteSettings(data={"mp": tmp_path / "gone"})
    with pytest.raises(UserError, match=r"data=mp.*gone is not there"):
        paths_in({"data": "mp"}, settings, tmp_path)
