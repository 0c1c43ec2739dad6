"""Data sets that cannot be used, or in one way only: each gives one line that says what, where and what to do."""

import gzip
import io
import json
import os
import tarfile
import tracemalloc
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_crystals import pack

from dh_project.cgcnn_mp.crystals import DataError, archives
from dh_project.cgcnn_mp.crystals.sources import (
    ArchiveSource,
    FolderSource,
    decode,
    find_crystals,
    find_source,
    listed,
)
from dh_project.cgcnn_mp.crystals.splits import split_file_paths
from dh_project.cgcnn_mp.crystals.tables import parse_tables


@pytest.mark.parametrize("name", ["LiF,v2", "[v1]", "[a,b]", "~v2", "~nobody-of-this-name"])
def test_a_path_that_exists_as_written_wins(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.chdir(tmp_path)
    os.renames(folder, name)
    for other in ("LiF", "v1", "a"):
        Path(other).mkdir()
    assert find_source(name, tmp_path).name == name
    assert find_crystals(name, tmp_path).name == name
    for table in ("train", "valid", "test"):
        (tmp_path / name / f"{table}.txt").touch()
    assert split_file_paths(name) == [Path(name, f"{table}.txt") for table in ("train", "valid", "test")]


def test_an_unknown_home_folder_is_no_data(tmp_path: Path):
    for find in (find_source, find_crystals):
        with pytest.raises(DataError, match="no data at ~nobody-of-this-name/x: give flla"):
            find("~nobody-of-this-name/x", tmp_path)


@pytest.mark.parametrize("text", ["/a,/b", "[/a,/b]", "[/a, /b]", " /a , /b "])
def test_candidates_are_listed_with_or_without_brackets(text: str):
    assert listed(text) == ["/a", "/b"]


ROWS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters='\r\n"', exclude_categories=("Cc", "Zl", "Zp")))
)


@given(ROWS)
def test_a_row_gives_its_id_and_label_or_is_refused(fields: list[str]):
    """Nothing of a line is ignored: what is read is all that it says."""
    line = ",".join(fields)
    try:
        tables = parse_tables({"id_prop.csv": f"first,1\n{line}\n"}, "here")
    except DataError:
        return
    read = tables.labels["id_prop.csv"]
    assert read.pop("first") == "1"
    said = [field.strip() for field in line.split(",") if field.strip()]
    assert [part for pair in read.items() for part in pair if part] == said


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("id_prop.csv", "a,0,-1.00\n", "id_prop.csv of here, line 1, has 3 fields, not 2 (id, label)"),
        ("id_prop.csv", "b,1\n\na,-1,23\n", "line 3, has 3 fields"),
        ("id_prop.csv", "a;1\nb;2\n", "separates the fields by ';': use commas"),
        ("id_prop.csv", "a\t1\nb\t2\n", r"separates the fields by '\t': use commas"),
        ("id_prop.csv", "a,1\n,2\n", "line 2, has no id"),
        ("id_prop.csv", "a\0b,1\n", "line 1, contains a control character"),
        (
            "id_prop.csv",
            "a,1\nb,1\na,2\nb,1\nb,3\n",
            "lists 'a', 'b' twice (2 ids): keep one line for each id",
        ),
        ("labels.csv", "material_id,gap,gap\na,1,2\n", "labels.csv of here: column 3 'gap' is there twice"),
        ("labels.csv", "material_id,,gap\na,1,2\n", "column 2 is called ''"),
        ("labels.csv", "material_id,material_id\na,1\n", "column 2 'material_id' is there twice"),
        ("labels.csv", "material_id,gap\na,1,2\n", "line 2, has 3 fields, not 2 (material_id, gap)"),
        ("atom_init.json", '{"1": [0, 1], "1": [1, 1]}', "a key is there twice"),
        ("atom_init.json", '{"1": [0, 1], "01": [1, 1]}', "a key is there twice"),
        ("atom_init.json", '{"1": [0, NaN]}', "a feature that is not a finite number"),
    ],
)
def test_what_a_table_says_twice_or_beside_its_columns_is_refused(name: str, text: str, message: str):
    with pytest.raises(DataError) as caught:
        parse_tables({"id_prop.csv": "a,1\n", name: text}, "here")
    assert message in str(caught.value)


def test_empty_fields_at_the_end_of_a_line_say_nothing():
    texts = {"id_prop.csv": "a,1,,\n", "labels.csv": "material_id,gap,,\na,2,,\n"}
    assert parse_tables(texts, "here").labels == {"id_prop.csv": {"a": "1"}, "gap": {"a": "2"}}


def test_labels_without_ids_are_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"here holds labels\.csv, but no id_prop\.csv: write one line"):
        parse_tables({"labels.csv": "material_id,gap\n"}, "here")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_decoded_by_its_byte_order_mark(encoding: str, folder: Path):
    table = folder / "id_prop.csv"
    before = FolderSource(folder).tables()
    table.write_bytes(table.read_text().encode(encoding))
    assert FolderSource(folder).tables() == before
    assert decode("Å".encode(encoding)) == "Å"


def test_utf_16_without_a_mark_is_refused_in_one_line(folder: Path):
    table = folder / "id_prop.csv"
    table.write_bytes(table.read_text().encode("utf-16-le"))
    with pytest.raises(
        DataError, match=r"line 1, contains a control character: save it as plain text in UTF-8"
    ):
        FolderSource(folder).tables()


def test_two_cif_files_of_one_id_are_refused(folder: Path, tmp_path: Path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("a.cif", "a.CIF", "b.cif"):
        (bare / name).write_bytes((folder / "LiF.cif").read_bytes())
    with pytest.raises(DataError, match=r"a\.CIF and .*a\.cif are both called a: rename one"):
        find_crystals(bare, tmp_path)


def test_several_cif_files_are_crystals(folder: Path, tmp_path: Path):
    files = [folder / "LiF.cif", folder / "KF.cif"]
    source = find_crystals(files, tmp_path)
    assert dict(source.structures()) == {file.stem: file.read_bytes() for file in files}
    assert source.fingerprint() != find_crystals(files[:1], tmp_path).fingerprint()
    with pytest.raises(
        DataError, match=r"id_prop\.csv is no CIF file: name several CIF files, or one data set"
    ):
        find_crystals([*files, folder / "id_prop.csv"], tmp_path)


def test_cif_files_may_have_labels_without_ids(folder: Path, tmp_path: Path):
    (folder / "id_prop.csv").unlink()
    (folder / "labels.csv").write_text("material_id,gap\nLiF,13\n")
    assert find_crystals(folder, tmp_path).tables().labels["gap"] == {"LiF": "13"}


@pytest.mark.parametrize("inner", [("train", "test"), (".", "train"), ("a", "a/old")])
def test_an_archive_of_several_data_sets_is_refused(folder: Path, tmp_path: Path, inner: tuple[str, str]):
    for number, names in enumerate((inner, inner[::-1])):
        archive = tmp_path / f"{number}.tar"
        with tarfile.open(archive, "w") as tar:
            for name in names:
                tar.add(folder, f"set/{name}")
        with pytest.raises(
            DataError, match=r"holds 2 data sets \(set/.*id_prop\.csv, set/.*\): pack each in its own"
        ):
            ArchiveSource(archive, tmp_path / "cache").tables()


def test_a_table_that_is_twice_in_an_archive_is_refused(folder: Path, tmp_path: Path):
    archive = pack(folder, "")
    with tarfile.open(archive, "a") as tar:
        tar.add(folder / "id_prop.csv", "halides/id_prop.csv")
    with pytest.raises(DataError, match="holds 2 data sets"):
        ArchiveSource(archive, tmp_path / "cache").tables()


def zip_of(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("id_prop.csv", "a,1\n")


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("set.zip", zip_of, r"set\.zip is a zip file: unpack it, and name the folder"),
        ("id_prop.csv", lambda path: path.write_text("a,1\n"), "is a table: name the folder that holds it"),
        ("POSCAR", lambda path: path.write_text("NaCl\n1.0\n"), "is no tar file: give a folder"),
        ("set.tar.gz", lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(99)), "is the file whole"),
    ],
)
def test_a_file_that_is_no_archive_is_called_what_it_is(tmp_path: Path, name: str, write, message: str):
    write(tmp_path / name)
    with pytest.raises(DataError, match=message):
        find_source(tmp_path / name, tmp_path / "cache").tables()


MIB = 2**20


def bomb(path: Path, name: str, kind: bytes) -> None:
    """Write an archive with a table, and a member of 256 MiB of zeros that is small when compressed."""
    member = tarfile.TarInfo(name)
    member.size, member.type = 256 * MIB, kind
    table = tarfile.TarInfo("set/id_prop.csv")
    table.size = 4
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(table.tobuf() + b"a,1\n".ljust(512, b"\0") + member.tobuf())
        for _ in range(16):
            file.write(bytes(16 * MIB))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("set/a.cif", tarfile.REGTYPE, "has 256 MiB, more than 16 MiB"),
        ("set/labels.csv", tarfile.REGTYPE, "has 256 MiB, more than 128 MiB"),
        ("set/other.cif", tarfile.REGTYPE, ""),
        ("././@LongLink", tarfile.GNUTYPE_LONGNAME, "a header of 256 MiB"),
        ("././@PaxHeader", tarfile.XHDTYPE, "a header of 256 MiB"),
    ],
)
def test_an_archive_bomb_takes_no_memory(tmp_path: Path, name: str, kind: bytes, said: str):
    bomb(tmp_path / "bomb.tar.gz", name, kind)
    source = ArchiveSource(tmp_path / "bomb.tar.gz", tmp_path / "cache")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=said) if said else nullcontext():
            assert list(source.structures()) == []
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def test_a_cif_file_of_a_folder_that_is_too_large_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with (folder / "LiF.cif").open("ab") as file:
        file.truncate(archives.LARGEST_CIF + 1)
    with pytest.raises(DataError, match=r"LiF\.cif has 16 MiB, more than 16 MiB"):
        dict(FolderSource(folder).structures())


def test_many_members_that_are_not_wanted_take_no_memory(folder: Path, tmp_path: Path):
    archive = pack(folder, "")
    with tarfile.open(archive, "a") as tar:
        for number in range(100):
            tar.addfile(tarfile.TarInfo(f"halides/{number}.txt"), io.BytesIO())
    kept = {}
    opened = tarfile.TarFile.next

    def count(self):
        kept[id(self)] = max(kept.get(id(self), 0), len(self.members))
        return opened(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tarfile.TarFile, "next", count)
        assert len(ArchiveSource(archive, tmp_path / "cache").tables().ids) == 12
    assert max(kept.values()) <= 2


def test_the_element_features_of_the_package_pass():
    tables = parse_tables({"id_prop.csv": "a,1\n", "atom_init.json": json.dumps({1: [0.5], 2: [1]})}, "here")
    assert tables.element_features == {1: [0.5], 2: [1.0]}
