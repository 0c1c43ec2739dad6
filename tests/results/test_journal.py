import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from file_layer import FileLayer
from hypothesis import given
from hypothesis import strategies as st

from dh_project.common.errors import UserError
from dh_project.results import driver_lock as lock
from dh_project.results.journal import SCHEMA, Journal, decode, encode, scan
from dh_project.results.paths import SearchPaths

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def paths(tmp_path):
    return SearchPaths(tmp_path)


def write(paths, *records):
    with Journal(paths) as journal:
        for record in records:
            journal.append(record)
        journal.commit()


@given(st.dictionaries(st.text(), JSON))
def test_a_record_comes_back_as_it_was_and_is_one_json_line(record):
    record = {"kind": "any", "inside": record}
    line = encode(record)
    assert decode(line) == record
    assert line.count(b"\n") == 1
    assert json.loads(line)["kind"] == "any"


@given(st.data())
def test_a_changed_byte_is_noticed(data):
    line = encode({"kind": "end", "trial": 3, "objective": -0.125})
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[place]))
    assert decode(line[:place] + bytes([byte]) + line[place + 1 :]) is None


def test_a_write_torn_at_any_byte_leaves_the_records_before_it(paths):
    write(paths, {"kind": "first"}, {"kind": "second"})
    whole = paths.journal.read_bytes()
    first_line = whole.index(b"\n") + 1
    for end in range(first_line, len(whole)):
        paths.journal.write_bytes(whole[:end])
        assert scan(paths.journal)[0] == [{"kind": "first"}]


def test_the_next_writer_cuts_a_torn_tail_off(paths):
    write(paths, {"kind": "first"}, {"kind": "second"})
    paths.journal.write_bytes(paths.journal.read_bytes()[:-5])
    write(paths, {"kind": "third"})
    assert [record["kind"] for record in scan(paths.journal)[0]] == ["first", "third"]


def test_damage_in_the_middle_is_refused_by_line(paths):
    write(paths, {"kind": "first"}, {"kind": "second"}, {"kind": "third"})
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(lines[0] + b"rubbish\n" + lines[2])
    with pytest.raises(UserError, match="line 2"):
        scan(paths.journal)


def test_what_was_not_committed_is_not_there(paths):
    with Journal(paths) as journal:
        journal.append({"kind": "never"})
    assert scan(paths.journal)[0] == []


def test_a_newer_schema_is_refused_in_plain_words(paths):
    write(paths, {"kind": "search", "schema": SCHEMA + 1})
    with pytest.raises(UserError, match="newer dh_project"):
        Journal(paths)


def test_the_present_schema_is_read(paths):
    write(paths, {"kind": "search", "schema": SCHEMA})
    assert scan(paths.journal)[0] == [{"kind": "search", "schema": SCHEMA}]


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
        "import os, sys; from pathlib import Path; from dh_project.results.journal import Journal;"
        "from dh_project.results.paths import SearchPaths; j = Journal(SearchPaths(Path(sys.argv[1])));"
        "j.append({'kind': 'kept'}); j.commit(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(paths.folder)], check=False)
    assert killed.returncode == -9
    with Journal(paths) as journal:
        assert journal.records == [{"kind": "kept"}]


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


def test_a_driver_that_lost_its_lease_writes_nothing_more(paths, monkeypatch):
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.3)

    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Journal(paths) as journal:
        paths.lease.unlink()  # as another driver does that takes it
        journal.append({"kind": "never"})
        limit = time.monotonic() + 10
        while journal._lock._lock.compromise is None and time.monotonic() < limit:
            time.sleep(0.02)
        with pytest.raises(UserError, match="took this search over"):
            journal.commit()
        assert paths.journal.read_bytes() == b""


def test_a_journal_that_is_refused_is_left_free_for_the_next_writer(paths):
    paths.journal.write_bytes(b"rubbish\n" + encode({"kind": "first"}))
    with pytest.raises(UserError, match="line 1") as refused:
        Journal(paths)
    paths.journal.write_bytes(encode({"kind": "first"}))
    Journal(paths).close()
    del refused  # it had kept the refused journal, and so its lock, from being collected


def test_what_stands_in_the_journal_is_what_its_writer_begins_with(paths):
    write(paths, {"kind": "first"})
    with Journal(paths) as journal:
        journal.append({"kind": "second"})
        journal.commit()
        assert journal.records == [{"kind": "first"}]


def test_a_reader_learns_how_much_of_the_file_is_sound(paths):
    write(paths, {"kind": "first"}, {"kind": "second"})
    size = paths.journal.stat().st_size
    assert scan(paths.journal)[1] == size
    paths.journal.write_bytes(paths.journal.read_bytes()[:-1])
    assert scan(paths.journal)[1] == len(encode({"kind": "first"}))


def test_damage_of_the_last_line_alone_is_a_torn_write(paths):
    write(paths, {"kind": "first"}, {"kind": "second"})
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(lines[0] + b"X" + lines[1][1:])
    assert scan(paths.journal)[0] == [{"kind": "first"}]


def test_a_line_with_something_behind_its_checksum_is_damaged():
    line = encode({"kind": "first"})
    assert decode(line[:-3] + b'00"}\n') is None


def test_a_number_that_json_does_not_know_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"kind": "end", "objective": float("nan")})


def test_a_journal_that_cannot_be_cut_leaves_no_open_file(paths, layer):
    paths.journal.write_bytes(encode({"kind": "first"}) + b"torn")
    before = len(list(Path("/proc/self/fd").iterdir()))
    layer.fails["ftruncate"] = OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(OSError, match="Input/output error") as failed:
        Journal(paths)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    del failed  # it had kept the refused journal
