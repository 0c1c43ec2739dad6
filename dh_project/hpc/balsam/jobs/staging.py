"""Copies input data to a work directory, once for each content, and the results of a search back."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.common.files import creating, remove, replacing
from dh_project.results.paths import SearchPaths


def place_of(source: Path, work: Path) -> Path:
    """Return the path of input data in a work directory: ``inputs/<sha256>/NAME``, or ``source`` if it lies there.

    Raises:
        UserError: The data cannot be read, or is empty.
    """
    if source.resolve().is_relative_to(work.resolve()):
        return source
    return work / "inputs" / content_hash(source) / source.name


def stage_in(source: Path, place: Path) -> None:
    """Copy a file or a folder to its place, unless a complete copy is there.

    A copy is read again before it takes its name, and serves every search of the same data. If a clean-up of the work
    directory has removed files of it, it is made anew.

    Raises:
        UserError: The source cannot be read, or changes meanwhile.
        OSError: The copy cannot be written.
    """
    if place == source or (place.exists() and _sizes(place) == _sizes(source)):
        return
    home = place.parent
    home.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), creating(place) as aside:  # another submission may be faster
        for name in _files(source):
            copy = aside / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, copy)
        if content_hash(aside) != home.name:
            raise UserError(f"{source}: it changed while it was copied to {home}; submit again later")
        remove(place)


def content_hash(source: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files.

    Raises:
        UserError: The data cannot be read, or is empty.
    """
    try:
        names = _files(source)
        if names == [Path()]:
            return _hash_file(source)
        whole = hashlib.sha256()
        for name in names:
            whole.update(os.fsencode(name) + f"\0{_hash_file(source / name)}\0".encode())
    except OSError as error:
        raise UserError(f"{error.filename or source}: input data cannot be read: {error.strerror}") from None
    if not names:
        raise UserError(f"{source}: this folder of input data holds no file")
    return whole.hexdigest()


def bring_back(paths: SearchPaths, outputs: Path) -> None:
    """Copy the results of a search into a folder, each file completely or not at all.

    Raises:
        OSError: A file cannot be written.
    """
    outputs.mkdir(parents=True, exist_ok=True)
    for source in (paths.results, paths.journal, paths.log, paths.folder / "best.json"):
        if source.is_file():
            with replacing(outputs / source.name) as aside:
                shutil.copyfile(source, aside)


def _files(source: Path) -> list[Path]:
    """Return the sorted relative paths of a folder's files; for a file, one empty path."""
    if not source.is_dir():
        return [Path()]
    return sorted(_below(source, Path()))


def _below(folder: Path, name: Path) -> Iterator[Path]:
    with os.scandir(folder / name) as entries:
        for entry in entries:
            if entry.is_file():
                yield name / entry.name
            elif entry.is_dir(follow_symlinks=False):
                yield from _below(folder, name / entry.name)
            elif entry.is_dir():
                raise UserError(f"{entry.path}: a link to a folder in input data; replace it by the folder")


def _sizes(source: Path) -> dict[Path, int]:
    return {name: (source / name).stat().st_size for name in _files(source)}


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
