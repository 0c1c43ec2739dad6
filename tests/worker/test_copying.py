"""Whatever a trial did with its files in scratch, its home folder has them at the end."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dh_project.common import file_lock
from dh_project.trial.attempt import Assignment
from dh_project.worker.scratch import Outputs, Scratch

NAMES = st.sampled_from(["a", "b"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(st.binary(max_size=4), st.just("link"), st.just("folder"))


def write(folder, path, content):
    """Put a file, a link or a folder at a path, in place of what is there and above."""
    for part in [folder / each for each in [*reversed(Path(path).parents), Path(path)] if each != Path()]:
        if part.is_symlink() or part.is_file():
            part.unlink()
    target = folder / path
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if content == "folder":
        target.mkdir()
    elif content == "link":
        target.symlink_to("no/such/file")
    else:
        target.write_bytes(content)


def content_of(folder):
    """Return the links and the files of a folder with their contents; a copy has no empty folders."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in paths
    }


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(PATHS, CONTENTS), max_size=4), min_size=1, max_size=4))
def test_after_any_changes_between_two_copies_the_last_copy_is_what_the_trial_left(rounds):
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "source"), Path(place, "target")
        source.mkdir()
        outputs = Outputs(source, target)
        for number, changes in enumerate(rounds):
            for path, content in changes:
                write(source, path, content)
            assert outputs._copy_changes(is_last=number == len(rounds) - 1) is None
        assert not content_of(source) or content_of(target) == content_of(source)


def test_a_file_with_holes_takes_no_more_room_in_its_copy(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    with (source / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(2**28)
        file.write(b"end")
        file.truncate(2**29)
    if (source / "sparse").stat().st_blocks > 1000:
        pytest.skip("this file system has no holes")
    assert Outputs(source, target).finish() is None
    copy = target / "sparse"
    assert copy.stat().st_size == 2**29
    assert copy.stat().st_blocks <= 1000
    with copy.open("rb") as file:
        assert file.read(6) == b"begin\0"
        file.seek(2**28)
        assert file.read(4) == b"end\0"


def as_nobody(do):
    """Call a function in a process of a user without privileges; return whether it did not raise."""
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            do()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def test_files_and_folders_that_a_trial_made_unreadable_are_copied():
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)  # noqa: PTH101

        def copy():
            source, target = Path(place, "source"), Path(place, "target")
            (source / "closed").mkdir(parents=True)
            (source / "closed" / "file").write_text("1")
            (source / "file").write_text("2")
            outputs = Outputs(source, target)
            assert outputs._copy_changes() is None
            (source / "new").write_text("3")
            for each in (
                source / "closed" / "file",
                source / "closed",
                source / "file",
                source / "new",
                source,
            ):
                each.chmod(0)
            assert outputs.finish() is None
            assert content_of(target) == {"closed/file": b"1", "file": b"2", "new": b"3"}

        assert as_nobody(copy)


def test_without_locks_the_folders_of_living_workers_stay(tmp_path, monkeypatch):
    def without(*arguments, **more):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr(file_lock, "FileLock", without)
    first, second = Scratch(str(tmp_path / "scratch")), Scratch(str(tmp_path / "scratch"))
    begun = first.begin(Assignment(0, 1, {}, str(tmp_path / "one")))
    (Path(begun.scratch) / "checkpoint").write_text("1")
    second.begin(Assignment(1, 1, {}, str(tmp_path / "two")))
    assert (Path(begun.scratch) / "checkpoint").exists()
