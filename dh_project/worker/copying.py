"""Copying what a trial wrote, whatever it did with it: holes stay holes, and what is in the way gives way."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dh_project.common.files import is_aside

CHUNK = 2**20


def copy_content(source: int, target: int) -> None:
    """Copy the content of an open file. Its holes, which take no room on the disk, stay holes.

    Args:
        source: File descriptor to read.
        target: File descriptor of an empty file.

    Raises:
        OSError: One of the two cannot be read or written.
    """
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    for begin, end in _parts_with_data(source, size):
        while begin < end and (data := os.pread(source, min(CHUNK, end - begin), begin)):
            begin += os.pwrite(target, data, begin)


def _parts_with_data(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where the parts of a file begin and end that are no holes."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(file, end, os.SEEK_DATA)
        except OSError:  # only a hole is left
            return
        end = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, end


def make_way(path: Path, folder: Path) -> None:
    """Remove what keeps a file from being written: a folder or a link in its place, a file in place of its folder.

    A trial may replace the one by the other between two copies.

    Args:
        path: Path of the file, relative to the folder.
        folder: The folder, which stays.
    """
    for parent in [folder / each for each in path.parents if each != Path()]:
        if parent.is_symlink() or parent.is_file():
            parent.unlink()
    target = folder / path
    if target.is_symlink():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)


def remove_copy(path: Path, folder: Path) -> None:
    """Remove the copy of a file that the trial has deleted, but nothing to which a link in its path leads."""
    if not any((folder / each).is_symlink() for each in path.parents if each != Path()):
        with suppress(OSError):
            (folder / path).unlink()


def written_in(folder: Path) -> Iterator[Path]:
    """Yield the relative paths of all files and links in a folder, without temporary files of ``replacing``.

    Folders that the trial has closed to its own user are opened first.
    """
    make_readable(folder)
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in folders:
            make_readable(Path(parent) / name)
        for name in [*names, *links]:
            if not is_aside(name):
                yield (Path(parent) / name).relative_to(folder)


def make_readable(path: Path) -> None:
    """Let the owner of a file or folder read it; links stay as they are."""
    with suppress(OSError):
        mode = path.lstat().st_mode
        needed = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR | stat.S_IWUSR
        if not stat.S_ISLNK(mode) and mode & needed != needed:
            path.chmod(stat.S_IMODE(mode) | needed)
