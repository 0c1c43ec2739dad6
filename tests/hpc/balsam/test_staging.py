"""Input data is copied to a work directory completely and once for each content; results are copied back."""

import pytest

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.jobs.staging import bring_back, content_hash, place_of, stage_in
from dh_project.results.paths import SearchPaths


@pytest.fixture
def crystals(tmp_path):
    """A folder of input data."""
    folder = tmp_path / "crystals"
    (folder / "cif").mkdir(parents=True)
    (folder / "cif" / "a.cif").write_text("NaCl")
    (folder / "labels.csv").write_text("a,1.0\n")
    return folder


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


def staged(source, work):
    place = place_of(source, work)
    stage_in(source, place)
    return place


def tree(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_copied_under_the_hash_of_its_content(crystals, work):
    place = staged(crystals, work)
    assert place == work / "inputs" / content_hash(crystals) / "crystals"
    assert tree(place) == tree(crystals)


def test_a_file_is_copied_under_its_own_hash(crystals, work):
    place = staged(crystals / "labels.csv", work)
    assert place.read_text() == "a,1.0\n"
    assert place.parent.name == content_hash(place)


def test_the_same_content_is_copied_once(crystals, work):
    before = staged(crystals, work).stat().st_ino
    assert staged(crystals, work).stat().st_ino == before
    assert len(list((work / "inputs").iterdir())) == 1


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_other_content_stands_elsewhere(crystals, work, change):
    first = staged(crystals, work)
    if change == "content":
        (crystals / "labels.csv").write_text("a,2.0\n")
    elif change == "name":
        (crystals / "labels.csv").rename(crystals / "other.csv")
    else:
        (crystals / "more.csv").touch()
    assert staged(crystals, work) != first
    assert tree(first)["labels.csv"] == "a,1.0\n"


def test_a_copy_that_a_clean_up_left_in_pieces_is_made_anew(crystals, work):
    place = staged(crystals, work)
    (place / "cif" / "a.cif").unlink()
    assert tree(staged(crystals, work)) == tree(crystals)


def test_a_copy_that_was_cut_short_leaves_nothing_that_would_be_taken_for_whole(crystals, work, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    place = place_of(crystals, work)
    with pytest.raises(OSError, match="No space"):
        stage_in(crystals, place)
    assert list(place.parent.iterdir()) == []


def test_data_that_changes_while_it_is_copied_is_refused(crystals, work):
    place = place_of(crystals, work)
    (crystals / "labels.csv").write_text("a,2.0\n")
    with pytest.raises(UserError, match="changed while it was copied"):
        stage_in(crystals, place)
    assert not place.exists()


def test_data_in_the_work_directory_is_not_copied(crystals, tmp_path):
    assert staged(crystals, tmp_path) == crystals


def test_a_link_to_a_folder_is_told_rather_than_left_out(crystals, work, tmp_path):
    (crystals / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match="a link to a folder"):
        place_of(crystals, work)


def test_an_empty_folder_is_refused(work, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no file"):
        place_of(tmp_path / "empty", work)


def test_results_are_brought_back_as_far_as_there_are_some(tmp_path):
    search, outputs = SearchPaths(tmp_path / "search"), tmp_path / "out" / "demo"
    search.folder.mkdir()
    search.results.write_text("p:x\n")
    search.journal.write_text("{}\n")
    bring_back(search, outputs)
    assert tree(outputs) == {"results.csv": "p:x\n", "journal.jsonl": "{}\n"}
