"""Files and folders that are written completely or not at all."""

import socket
import subprocess

import pytest

from dh_project.common.files import creating


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new [1]"


def make(target, between=lambda: None):
    with creating(target) as aside:
        aside.mkdir()
        (aside / "file").write_text("content")
        between()


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def test_a_folder_gets_its_name_when_it_is_complete(target):
    seen = []
    make(target, between=lambda: seen.append(target.exists()))
    assert seen == [False]
    assert (target / "file").read_text() == "content"
    assert names_in(target.parent) == [target.name]


def test_a_failure_leaves_nothing(target):
    with pytest.raises(ZeroDivisionError):
        make(target, between=lambda: 1 / 0)
    assert names_in(target.parent) == []


@pytest.mark.parametrize("holds_file", [True, False])
def test_an_existing_folder_is_not_replaced(target, holds_file):
    target.mkdir()
    if holds_file:
        (target / "old").touch()
    with pytest.raises(FileExistsError) as refused:
        make(target)
    assert refused.value.filename == str(target)
    assert names_in(target) == (["old"] if holds_file else [])
    assert names_in(target.parent) == [target.name]


def test_what_a_killed_writer_of_this_machine_left_is_removed(target):
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = target.with_name(f".{target.name}.{socket.gethostname()}.{ended.pid}")
    left.mkdir()
    (left / "file").touch()
    make(target)
    assert names_in(target.parent) == [target.name]


@pytest.mark.parametrize("writer", [f"{socket.gethostname()}.1", "another-machine.99999999"])
def test_what_another_writer_may_still_write_stays(target, writer):
    theirs = target.with_name(f".{target.name}.{writer}")
    theirs.mkdir()
    make(target)
    assert theirs.is_dir()
