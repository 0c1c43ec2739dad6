import json
import subprocess
import sys

import pytest
from file_layer import FileLayer

from dh_project.common.json_lines import Lines, Tail, append_line, decode_line, read_lines


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines.jsonl"


def test_messages_are_complete_whatever_the_size_of_the_pieces():
    data = b"".join(json.dumps({"step": step}).encode() + b"\n" for step in range(20))
    for size in (1, 3, 50, len(data)):
        lines = Lines()
        found = [
            message
            for start in range(0, len(data), size)
            for message in lines.feed(data[start : start + size])
        ]
        assert found == [{"step": step} for step in range(20)]


def test_an_appended_line_is_durable(path, monkeypatch):
    layer = FileLayer(monkeypatch)
    append_line(path, "1")
    assert layer.of(path)[-2:] == ["write", "fsync"]


def test_a_torn_tail_is_removed_by_the_next_append(path):
    path.write_bytes(b'{"a": 1}\n{"b"')
    append_line(path, '{"c": 3}')
    assert path.read_bytes() == b'{"a": 1}\n{"c": 3}\n'


def test_an_append_without_room_leaves_the_file_unchanged(path, monkeypatch):
    path.write_bytes(b"1\n")
    FileLayer(monkeypatch).room = 2
    with pytest.raises(OSError, match="No space left") as failed:
        append_line(path, "12345")
    assert failed.value.filename == str(path)
    assert path.read_bytes() == b"1\n"


def test_several_processes_append_without_mixing_their_lines(path):
    code = (
        "import sys; from pathlib import Path; from dh_project.common.json_lines import append_line;"
        "[append_line(Path(sys.argv[1]), sys.argv[2] * 5000) for _ in range(20)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), digit]) for digit in "123"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    lines = read_lines(path)
    assert sorted(lines) == sorted(digit.encode() * 5000 + b"\n" for digit in "123" for _ in range(20))


def test_a_missing_file_has_no_lines(path):
    assert read_lines(path) == []


def test_a_torn_last_line_is_read_without_a_line_end(path):
    path.write_bytes(b'{"a": "\\r"}\n{"b"')
    assert read_lines(path) == [b'{"a": "\\r"}\n', b'{"b"']
    assert [decode_line(line) for line in read_lines(path)] == [{"a": "\r"}, None]


def test_each_line_of_a_growing_file_is_read_once(path):
    tail = Tail(path, decode_line)
    assert tail.new() == []
    with path.open("ab", buffering=0) as file:
        file.write(b"1\n2\n3")
        assert tail.new() == [1, 2]
        file.write(b"4\n")
        assert tail.new() == [34]
    assert tail.new() == []


def test_a_line_in_the_place_of_a_removed_torn_tail_is_read(path):
    path.write_bytes(b'{"a": 1}\n{"long')
    tail = Tail(path, decode_line)
    assert tail.new() == [{"a": 1}]
    append_line(path, "2")
    assert tail.new() == [2]
