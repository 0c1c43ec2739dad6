"""Sources of crystals and their tables, and the messages for those that cannot be read."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from small_crystals import CRYSTALS, pack

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.sources import (
    ArchiveSource,
    FolderSource,
    ShippedSource,
    find_crystals,
    find_source,
)


def test_the_shipped_set_holds_3938_crystals_with_two_labels():
    tables = ShippedSource().tables()
    assert len(tables.ids) == 3938
    assert {name: len(values) for name, values in tables.labels.items()} == {
        "formation_energy_per_atom": 3938,
        "e_above_hull": 3938,
    }


def test_shipped_cells_are_those_of_the_table():
    identifier, cell = next(ShippedSource().structures())
    assert identifier == "mp-10"
    assert cell.lattice[0].tolist() == [3.35275227, 0.0, 1.93571242]
    assert cell.atomic_numbers.tolist() == [33, 33]
    assert np.array_equal(cell.fractional_coordinates, [[0.25] * 3, [0.75] * 3])


def test_shipped_features_describe_100_elements_by_92_numbers():
    features = ShippedSource().tables().element_features
    assert sorted(features) == list(range(1, 101))
    assert {len(row) for row in features.values()} == {92}


def test_a_folder_yields_its_cif_files(folder: Path):
    structures = dict(FolderSource(folder).structures())
    assert list(structures) == list(CRYSTALS)
    assert structures["LiF"] == (folder / "LiF.cif").read_bytes()


def test_a_cif_file_that_exists_but_cannot_be_read_is_an_error(folder: Path):
    (folder / "LiF.cif").unlink()
    (folder / "LiF.cif").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*LiF\.cif: Is a directory"):
        dict(FolderSource(folder).structures())


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_an_archive_holds_what_its_folder_holds(folder: Path, tmp_path: Path, ending: str):
    archive = ArchiveSource(pack(folder, ending), tmp_path / "cache")
    assert dict(archive.structures()) == dict(FolderSource(folder).structures())
    assert archive.tables() == FolderSource(folder).tables()


def test_an_archive_is_searched_for_its_tables_once(folder: Path, tmp_path: Path):
    archive = pack(folder, ".xz")
    before = ArchiveSource(archive, tmp_path / "cache").tables()
    source = ArchiveSource(archive, tmp_path / "cache")
    source.fingerprint()
    archive.unlink()
    assert source.tables() == before


def test_broken_kept_tables_are_read_anew(folder: Path, tmp_path: Path):
    archive = pack(folder, "")
    before = ArchiveSource(archive, tmp_path / "cache").tables()
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(kept.read_text()[:50])
    assert ArchiveSource(archive, tmp_path / "cache").tables() == before


def test_a_label_is_no_part_of_a_folders_fingerprint(folder: Path):
    before = FolderSource(folder).fingerprint()
    table = folder / "id_prop.csv"
    table.write_text(table.read_text().replace("LiF,0", "LiF,100"))
    assert FolderSource(folder).fingerprint() == before


def test_a_changed_cif_changes_the_fingerprint(folder: Path):
    before = FolderSource(folder).fingerprint()
    os.utime(folder / "LiF.cif", ns=(0, 0))
    assert FolderSource(folder).fingerprint() != before


def set_times(*files: Path) -> None:
    """Give files the same modification time, as unpacking an archive does."""
    for file in files:
        os.utime(file, ns=(0, 0))


@pytest.mark.parametrize("is_folder", [True, False])
def test_equal_names_sizes_and_times_in_two_folders_give_two_fingerprints(
    folder: Path, tmp_path: Path, is_folder: bool
):
    other = tmp_path / "strained"
    other.mkdir()
    (other / "LiF.cif").write_bytes((folder / "LiF.cif").read_bytes().replace(b"4.0", b"4.1"))
    (other / "id_prop.csv").write_text("LiF,0\n")
    (folder / "id_prop.csv").write_text("LiF,0\n")
    set_times(folder / "LiF.cif", other / "LiF.cif")
    places = (folder, other) if is_folder else (folder / "LiF.cif", other / "LiF.cif")
    one, another = (find_crystals(place, tmp_path).fingerprint() for place in places)
    assert one != another


def test_replacing_a_file_by_one_of_equal_size_and_time_changes_the_fingerprint(folder: Path):
    other = folder / "other"
    other.write_bytes((folder / "LiF.cif").read_bytes().replace(b"4.0", b"4.1"))
    set_times(folder / "LiF.cif", other)
    before = FolderSource(folder).fingerprint()
    time.sleep(0.02)  # clocks of file systems tick some hundred times a second
    other.replace(folder / "LiF.cif")
    assert FolderSource(folder).fingerprint() != before


def test_a_relative_path_gives_the_fingerprint_of_the_absolute_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    before = FolderSource(folder).fingerprint()
    monkeypatch.chdir(folder.parent)
    assert FolderSource(Path(folder.name)).fingerprint() == before


def test_the_first_candidate_that_exists_is_taken(folder: Path, tmp_path: Path):
    assert find_source(f"/nowhere, {folder}, flla", tmp_path).name == str(folder)
    assert find_source(["/nowhere", folder], tmp_path).name == str(folder)
    assert find_source("/nowhere,flla", tmp_path).name == "flla"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("fla", "did you mean 'flla'"),
        ("/nowhere", "no data at /nowhere: give flla"),
        ("/a,/b", "no data at /a, /b: give"),
    ],
)
def test_no_such_data_is_an_error(data: str, message: str, tmp_path: Path):
    with pytest.raises(DataError, match=message):
        find_source(data, tmp_path)


def test_a_folder_without_id_prop_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match=r"holds no id_prop\.csv"):
        FolderSource(tmp_path).tables()


def test_an_archive_without_id_prop_is_an_error(folder: Path, tmp_path: Path):
    (folder / "id_prop.csv").unlink()
    with pytest.raises(DataError, match=r"holds no id_prop\.csv"):
        ArchiveSource(pack(folder, ""), tmp_path).tables()


def test_an_archive_that_is_cut_short_is_an_error(folder: Path, tmp_path: Path):
    archive = pack(folder, ".xz")
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot read the archive .*is the file whole"):
        ArchiveSource(archive, tmp_path / "cache").tables()


def test_a_file_that_is_no_archive_is_an_error(folder: Path, tmp_path: Path):
    with pytest.raises(DataError, match="is no tar file: give a folder"):
        find_source(folder / "LiF.cif", tmp_path).tables()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("id_prop.csv", "", "is empty"),
        ("id_prop.csv", "LiF,1\nLiF,2\n", "lists 'LiF' twice"),
        ("labels.csv", "LiF,1\n", "does not begin with a header"),
        ("labels.csv", "material_id,gap\nLiF,1\nLiF,2\n", "lists 'LiF' twice"),
        ("atom_init.json", "[1, 2]", "is not a JSON object"),
        ("atom_init.json", '{"1": [0, 1], "2": [1]}', "the same number of features"),
        ("atom_init.json", '{"0": [0, 1]}', "not an atomic number"),
    ],
)
def test_invalid_tables_are_errors(folder: Path, name: str, text: str, message: str):
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        FolderSource(folder).tables()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_and_blanks_do_not_matter(folder: Path):
    (folder / "id_prop.csv").write_bytes(b"\xef\xbb\xbfLiF , 1\r\n\r\nNaCl,2\r\n")
    assert FolderSource(folder).tables().labels["id_prop.csv"] == {"LiF": "1", "NaCl": "2"}


def test_cifs_without_a_table_are_crystals_too(folder: Path, tmp_path: Path):
    listed = dict(FolderSource(folder).structures())
    (folder / "id_prop.csv").unlink()
    assert dict(find_crystals(folder, tmp_path).structures()) == listed
    alone = find_crystals(folder / "LiF.cif", tmp_path)
    assert dict(alone.structures()) == {"LiF": listed["LiF"]}
    assert alone.tables().ids == ["LiF"]


def test_a_folder_of_cifs_may_describe_its_elements(folder: Path, tmp_path: Path):
    (folder / "id_prop.csv").unlink()
    (folder / "atom_init.json").write_text('{"3": [0, 1], "9": [1, 0]}')
    assert find_crystals(folder, tmp_path).tables().element_features == {3: [0.0, 1.0], 9: [1.0, 0.0]}


def test_names_with_commas_and_quotes_are_ids(folder: Path, tmp_path: Path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("a,b", 'c"d'):
        (bare / f"{name}.cif").write_bytes((folder / "LiF.cif").read_bytes())
    assert sorted(find_crystals(bare, tmp_path).tables().ids) == ["a,b", 'c"d']


def test_a_folder_with_a_table_is_read_by_its_table(folder: Path, tmp_path: Path):
    (folder / "KF.cif").rename(folder / "unlisted.cif")
    assert "unlisted" not in find_crystals(folder, tmp_path).tables().ids
    assert find_crystals("flla", tmp_path).name == "flla"


def test_an_empty_folder_holds_no_crystals(tmp_path: Path):
    with pytest.raises(DataError, match=r"is empty: it holds neither id_prop\.csv nor any file"):
        find_crystals(tmp_path, tmp_path)


@pytest.mark.parametrize("ending", [".cif", ".CIF"])
def test_a_cif_without_a_table_is_read_whatever_the_case_of_its_ending(folder, tmp_path, ending):
    bare = tmp_path / "bare"
    bare.mkdir()
    content = (folder / "LiF.cif").read_bytes()
    (bare / f"salt{ending}").write_bytes(content)
    for place in (bare, bare / f"salt{ending}"):
        assert list(find_crystals(place, tmp_path).structures()) == [("salt", content)]
