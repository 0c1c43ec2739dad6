import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dh_project.common.errors import UserError
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
