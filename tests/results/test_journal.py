"""The journal's writer: what a commit does to the file, and when it refuses to write."""

import errno
import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from file_layer import FileLayer
from hypothesis import given
from hypothesis import strategies as st

from dh_project.common.errors import UserError
from dh_project.results import driver_lock as lock
from dh_project.results.archive import set_aside
from dh_project.results.journal import JournalReader, encode, encode_commits, scan
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
LOOKS_LIKE_A_MARK = st.sampled_from(
    [{"commit": 1, "crc32": "00000000"}, ',"commit":1,"crc32":"00000000"}\n', {"x": {"crc32": "00000000"}}]
)


@pytest.fixture
def paths(tmp_path):
    return SearchPaths(tmp_path)


def write(paths, *records):
    """Write records in one commit."""
    with Journal(paths) as journal:
        for record in records:
            journal.append(record)
        journal.commit()


@given(st.lists(st.lists(JSON | LOOKS_LIKE_A_MARK, min_size=1, max_size=3), max_size=3))
def test_records_come_back_as_they_were_each_a_json_line(tmp_path_factory, values):
    paths = SearchPaths(tmp_path_factory.mktemp("any"))
    paths.journal.touch()
    commits = [[{"kind": "any", "inside": value} for value in commit] for commit in values]
    for commit in commits:
        write(paths, *commit)
    records = [record for commit in commits for record in commit]
    assert scan(paths.journal) == (records, paths.journal.stat().st_size)
    lines = paths.journal.read_bytes().splitlines()
    assert [json.loads(line)["inside"] for line in lines] == [record["inside"] for record in records]
    assert paths.journal.read_bytes() == encode_commits(*commits)
    shutil.rmtree(paths.folder)


def test_the_next_writer_removes_a_torn_commit_and_says_how_long_it_was(paths, caplog):
    write(paths, {"kind": "first"})
    size = paths.journal.stat().st_size
    write(paths, {"kind": "second"}, {"kind": "third"})
    paths.journal.write_bytes(paths.journal.read_bytes()[:-5])
    torn = paths.journal.stat().st_size - size
    with caplog.at_level(logging.WARNING), Journal(paths) as journal:
        assert journal.cut == torn
        journal.append({"kind": "fourth"})
        journal.commit()
    assert f"removed {torn} bytes" in caplog.text
    assert [record["kind"] for record in scan(paths.journal)[0]] == ["first", "fourth"]


def test_a_whole_journal_is_not_cut(paths, caplog):
    write(paths, {"kind": "first"})
    with caplog.at_level(logging.WARNING), Journal(paths) as journal:
        assert journal.cut == 0
    assert not caplog.text


def test_what_was_not_committed_is_not_there(paths):
    with Journal(paths) as journal:
        journal.append({"kind": "never"})
    assert scan(paths.journal)[0] == []


def test_a_writer_receives_what_its_reader_has_not_read(paths):
    write(paths, {"kind": "first"})
    taken = []
    with Journal(paths, taken.extend):
        assert [record["kind"] for record in taken] == ["first"]
    reader = JournalReader(paths.journal)
    assert [record["kind"] for batch in reader.new() for record in batch] == ["first"]
    write(paths, {"kind": "second"})
    taken.clear()
    with Journal(paths, taken.extend, reader) as journal:
        assert [record["kind"] for record in taken] == ["second"]
        journal.append({"kind": "third"})
        journal.commit()
    assert [record["kind"] for record in scan(paths.journal)[0]] == ["first", "second", "third"]


def test_a_journal_that_was_replaced_since_it_was_read_is_refused(paths):
    write(paths, {"kind": "first"})
    reader = JournalReader(paths.journal)
    list(reader.new())
    paths.journal.rename(paths.folder / "earlier")
    write(paths, {"kind": "other"})
    with pytest.raises(UserError, match="replaced or cut while it was read"):
        Journal(paths, reader=reader)


def test_a_journal_that_is_closed_is_free_though_it_is_still_known(paths):
    closed = Journal(paths)
    closed.close()
    with Journal(paths) as journal:
        assert journal is not closed


def test_a_second_writer_is_refused_until_the_first_is_gone(paths):
    with Journal(paths), pytest.raises(UserError, match="another search is running"):
        Journal(paths)
    Journal(paths).close()


def test_a_dead_writer_holds_no_lock(paths):
    code = (
        "import os, sys; from pathlib import Path; from dh_project.results.journal_writer import Journal;"
        "from dh_project.results.paths import SearchPaths; j = Journal(SearchPaths(Path(sys.argv[1])));"
        "j.append({'kind': 'kept'}); j.commit(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(paths.folder)], check=False)
    assert killed.returncode == -9
    Journal(paths).close()
    assert scan(paths.journal)[0] == [{"kind": "kept"}]


# ---- a commit during a crash of the machine, with a full disk, or with another driver


@pytest.fixture
def layer(monkeypatch):
    return FileLayer(monkeypatch)


def test_a_commit_is_one_append_and_one_fsync_after_it(paths, layer):
    with Journal(paths) as journal:
        layer.calls.clear()
        journal.append({"kind": "first"})
        journal.append({"kind": "second"})
        journal.commit()
        assert layer.of(paths.journal) == ["write", "fsync"]
        journal.commit()  # nothing was taken since
        assert layer.of(paths.journal) == ["write", "fsync"]


def test_the_name_of_a_new_journal_is_on_disk_before_anything_is_written(paths, layer):
    write(paths, {"kind": "first"})
    created, named = layer.index("open", paths.journal), layer.index("fsync", paths.folder)
    assert created < named < layer.index("write", paths.journal)


@pytest.mark.parametrize("most_at_once", [1, 7])
def test_what_the_system_writes_in_parts_is_written_whole(paths, layer, most_at_once):
    layer.most_at_once = most_at_once
    write(paths, {"kind": "first"}, {"kind": "second"})
    assert scan(paths.journal)[0] == [{"kind": "first"}, {"kind": "second"}]
    assert layer.of(paths.journal)[-2:] == ["write", "fsync"]


def test_of_a_commit_for_which_there_is_no_room_nothing_stays(paths, layer):
    with Journal(paths) as journal:
        journal.append({"kind": "first"})
        journal.commit()
        before = paths.journal.read_bytes()
        journal.append({"kind": "second"})
        journal.append({"kind": "third"})
        layer.room = len(encode({"kind": "second"})) + 3
        with pytest.raises(OSError, match="No space left") as failed:
            journal.commit()
        assert failed.value.filename == str(paths.journal)
        assert paths.journal.read_bytes() == before


def test_of_a_commit_that_did_not_come_to_the_disk_nothing_stays(paths, layer):
    with Journal(paths) as journal:
        journal.append({"kind": "first"})
        layer.fails["fsync"] = OSError(errno.EIO, os.strerror(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            journal.commit()
        assert paths.journal.read_bytes() == b""
        layer.fails.clear()
        journal.commit()  # it can be tried again
    assert scan(paths.journal)[0] == [{"kind": "first"}]


@pytest.fixture
def no_flock(monkeypatch):
    """A file system without flock is pretended, for none is to be had here."""

    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("no_flock")
def test_a_driver_that_was_stopped_and_lost_its_lease_writes_nothing_more(paths):
    with Journal(paths) as journal:
        taken = paths.lease.read_text().replace("token=", "token=f00")
        paths.lease.unlink()
        paths.lease.write_text(taken)
        assert journal._lock._lock.compromise is None, "no heartbeat has noticed it yet"
        journal.append({"kind": "never"})
        with pytest.raises(UserError, match="took this search over"):
            journal.commit()
        assert paths.journal.read_bytes() == b""


@pytest.mark.usefixtures("no_flock")
def test_a_lease_that_is_away_for_a_moment_is_looked_for_again(paths, monkeypatch):
    with Journal(paths) as journal:
        away = paths.folder / "away"
        paths.lease.rename(away)
        monkeypatch.setattr(lock.time, "sleep", lambda seconds: away.exists() and away.rename(paths.lease))
        journal.append({"kind": "first"})
        journal.commit()
    assert scan(paths.journal)[0] == [{"kind": "first"}]


def test_a_journal_that_is_refused_is_left_free_for_the_next_writer(paths):
    paths.journal.write_bytes(b"rubbish\n" + encode({"kind": "first"}))
    with pytest.raises(UserError, match="line 1") as refused:
        Journal(paths)
    paths.journal.write_bytes(encode_commits([{"kind": "first"}]))
    Journal(paths).close()
    del refused  # it had kept the refused journal, and so its lock, from being collected


def test_a_number_that_json_does_not_know_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"kind": "end", "objective": float("nan")})


def test_a_journal_that_cannot_be_cut_leaves_no_open_file(paths, layer):
    write(paths, {"kind": "first"})
    paths.journal.write_bytes(paths.journal.read_bytes() + b'{"kind":"torn')
    before = len(list(Path("/proc/self/fd").iterdir()))
    layer.fails["ftruncate"] = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(OSError, match="Input/output error") as failed:
        Journal(paths)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    del failed  # it had kept the refused journal


# ---- files that are removed or replaced while the search runs


def replace(path):
    """Put another file with the same content in the place of a file."""
    path.write_bytes((before := path.rename(path.with_name("moved"))).read_bytes())
    return before


@pytest.fixture
def journal(paths):
    with Journal(paths) as journal:
        journal.append({"kind": "first"})
        journal.commit()
        journal.append({"kind": "never"})
        yield journal


def append_to(path):
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.rename(path.with_name("moved")), "was removed or moved"),
        (replace, "was replaced"),
        (append_to, "was changed by another program"),
        (lambda path: path.write_bytes(b""), "was changed by another program"),
    ],
)
def test_a_commit_to_a_journal_that_is_not_as_it_was_is_refused(paths, journal, change, message):
    change(paths.journal)
    there = {path.name: path.read_bytes() for path in paths.folder.iterdir()}
    with pytest.raises(UserError, match=message):
        journal.commit()
    assert {path.name: path.read_bytes() for path in paths.folder.iterdir()} == there


def test_the_records_of_a_removed_journal_are_saved(paths, journal):
    paths.journal.unlink()
    with pytest.raises(UserError, match=r"records are in .*journal.saved.jsonl: rename it"):
        journal.commit()
    assert scan(paths.saved_journal)[0] == [{"kind": "first"}]


def test_a_journal_whose_folder_was_removed_is_refused_in_plain_words(paths, journal):
    shutil.rmtree(paths.folder)
    with pytest.raises(UserError, match="was removed"):
        journal.commit()


@pytest.mark.parametrize("change", [Path.unlink, replace])
def test_a_lock_file_that_is_removed_or_replaced_lets_no_second_driver_in(paths, journal, change):
    change(paths.lock)
    for second in (Journal, set_aside):
        with pytest.raises(UserError, match="another search is running"):
            second(paths)
    journal.commit()  # which makes and locks the lock file again
    with pytest.raises(UserError, match="another search is running"):
        lock.DriverLock(paths)
    assert [record["kind"] for record in scan(paths.journal)[0]] == ["first", "never"]


def test_a_lock_file_that_another_program_has_locked_ends_the_search(paths, journal):
    paths.lock.unlink()
    other = lock.DriverLock(paths)
    with pytest.raises(UserError, match="another search is running"):
        journal.commit()
    other.release()
    assert scan(paths.journal)[0] == [{"kind": "first"}]
