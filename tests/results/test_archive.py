import pytest

from dh_project.common.errors import UserError
from dh_project.results.archive import set_aside
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths


@pytest.fixture
def paths(tmp_path):
    paths = SearchPaths(tmp_path)
    paths.journal.write_text("old")
    paths.results.write_text("old")
    paths.trial(0, 1).mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("mine")
    return paths


def test_all_of_a_search_goes_aside_and_nothing_else(paths):
    aside = set_aside(paths)
    assert {path.name for path in aside.iterdir()} == {"journal.jsonl", "results.csv", "trials"}
    assert {path.name for path in paths.folder.iterdir()} == {"earlier-1", "mine.txt", "journal.lock"}


def test_earlier_ones_stay_apart(paths):
    set_aside(paths)
    paths.journal.write_text("newer")
    assert set_aside(paths).name == "earlier-2"
    assert (paths.folder / "earlier-1" / "journal.jsonl").read_text() == "old"


def test_one_that_was_interrupted_goes_on(paths):
    part = paths.folder / "earlier-1.part"
    part.mkdir()
    paths.trials.rename(part / "trials")
    assert set_aside(paths).name == "earlier-1"
    assert {path.name for path in (paths.folder / "earlier-1").iterdir()} == {
        "journal.jsonl",
        "results.csv",
        "trials",
    }
    assert not part.exists()


def test_an_empty_folder_needs_nothing(tmp_path):
    assert set_aside(SearchPaths(tmp_path)) is None


def test_a_running_search_is_left_alone(paths):
    paths.journal.unlink()
    with Journal(paths), pytest.raises(UserError, match="another search is running"):
        set_aside(paths)
    assert not (paths.folder / "earlier-1").exists()
