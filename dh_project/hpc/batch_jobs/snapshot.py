"""Copies the user's folder for the jobs of a search (``--snapshot``), so that later edits do not change them.

The ignore file at the top of the folder says what is left out: ``.dhignore`` or, if there is none, ``.gitignore``, in
Git's notation. Git's data, byte code and the folders of all searches are always left out. A link to a file is copied
as the file. A link that leads out of the folder is refused: the user may not expect a copy of its target, and a link
would not be a copy.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from dh_project.common.errors import UserError
from dh_project.common.files import creating
from dh_project.hpc.batch_jobs.record import CODE, JOBS, SCRIPT
from dh_project.results.paths import SearchPaths

IGNORE_FILES = (".dhignore", ".gitignore")
ALWAYS_IGNORED = (".git/", "__pycache__/", "*.pyc")
LIMIT_MIB = 300.0
MIB = 2**20


@dataclass(frozen=True)
class Snapshot:
    """The plan of a copy.

    Attributes:
        source: The folder that is copied.
        files: The source of each file, by its path in the copy.
        links: The target of each link to a folder inside, by its path in the copy.
        bytes: Size of all files together.
        ignore_file: The ignore file; None if there is none.
        searches: The folders of other searches, which are left out.
    """

    source: Path
    files: dict[Path, Path]
    links: dict[Path, str]
    bytes: int
    ignore_file: Path | None
    searches: tuple[Path, ...] = ()


def plan_snapshot(source: Path, results: Path, limit: float) -> Snapshot:
    """Return the plan of a copy; nothing is written.

    Args:
        source: The folder to copy.
        results: The folder of the search, which is left out if it lies inside.
        limit: Largest size of the copy in bytes.

    Raises:
        UserError: The folder is too large, or a link leads out of it.
    """
    source, results = source.resolve(), results.resolve()
    if source.is_relative_to(results):
        raise UserError(
            f"--snapshot: {source} lies in the folder of the search, which will hold the copy; name another --log-dir"
        )
    ignore_file, ignored = _ignored(source)
    files: dict[Path, Path] = {}
    links: dict[Path, str] = {}
    sizes: Counter[str] = Counter()
    searches = [folder for folder in _searches(source, ignored) if folder != results]
    for path in _paths(source, [results, *searches], ignored):
        inside = path.relative_to(source)
        if path.is_symlink():
            content = _followed(path, source)
            if content is None:
                continue
            if content.is_dir():
                links[inside] = os.path.relpath(content, path.parent)
                continue
        if not path.is_file():  # a socket, a pipe
            continue
        files[inside] = path
        sizes[inside.parts[0]] += path.stat().st_size
        if sizes.total() > limit:
            raise _too_large(sizes, limit, ignore_file)
    folders = {folder for inside in files for folder in inside.parents}
    for inside in links:
        content = (source / inside).resolve().relative_to(source)
        if content not in folders:
            raise UserError(
                f"--snapshot: {inside} leads to {content}, which is not copied; put its name into the ignore file"
            )
    return Snapshot(source, files, links, sizes.total(), ignore_file, tuple(searches))


def take_snapshot(snapshot: Snapshot, target: Path) -> None:
    """Make the copy, completely or not at all.

    Raises:
        OSError: A file cannot be read or written.
    """
    with creating(target) as aside:
        aside.mkdir(parents=True)
        for inside, path in snapshot.files.items():
            copy = aside / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        for inside, content in snapshot.links.items():
            link = aside / inside
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(content)


def _ignored(source: Path) -> tuple[Path | None, GitIgnoreSpec]:
    file = next((source / name for name in IGNORE_FILES if (source / name).is_file()), None)
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    try:
        return file, GitIgnoreSpec.from_lines([*ALWAYS_IGNORED, *lines])
    except ValueError as error:
        raise UserError(f"--snapshot: {file}: {error}") from None


def _searches(source: Path, ignored: GitIgnoreSpec) -> list[Path]:
    """Return what earlier searches have left: their folders, or their files if the source is the folder of one."""
    found = []
    for name, folders, files in os.walk(source):
        folder = Path(name)
        if {SearchPaths(folder).journal.name, JOBS} & set(files):
            found += _left_by_search(folder) if folder == source else [folder]
            folders[:] = [each for each in folders if folder == source and folder / each not in found]
        folders[:] = [each for each in folders if not _matches(ignored, source, folder / each, "/")]
    return found


def _left_by_search(folder: Path) -> list[Path]:
    """Return the files and folders of a search in its folder, apart from its results."""
    paths = SearchPaths(folder)
    own = [paths.journal, paths.lock, paths.lease, paths.log, paths.trials]
    return [path for path in [*own, folder / CODE, folder / JOBS, folder / SCRIPT] if path.exists()]


def _paths(source: Path, left_out: Collection[Path], ignored: GitIgnoreSpec) -> Iterator[Path]:
    """Yield all files and links that are not ignored; links to folders and ignored folders are not entered."""

    def fail(error: OSError) -> None:
        raise error

    for name, folders, files in os.walk(source, onerror=fail):
        folder = Path(name)
        below = [folder / each for each in sorted(folders)]
        yield from (path for path in below if path.is_symlink() and not _matches(ignored, source, path, "/"))
        folders[:] = [
            path.name
            for path in below
            if not path.is_symlink() and path not in left_out and not _matches(ignored, source, path, "/")
        ]
        yield from (
            path
            for path in map(folder.joinpath, sorted(files))
            if path not in left_out and not _matches(ignored, source, path, "")
        )


def _matches(ignored: GitIgnoreSpec, source: Path, path: Path, end: str) -> bool:
    return ignored.match_file(path.relative_to(source).as_posix() + end)


def _followed(link: Path, source: Path) -> Path | None:
    """Return the target of a link; None if it does not exist, as with the lock links of editors.

    Raises:
        UserError: The link leads out of the folder.
    """
    try:
        content = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    if not content.is_relative_to(source):
        raise UserError(
            f"--snapshot: {link.relative_to(source)} leads out of the folder, to {content}; put its name into "
            f"{IGNORE_FILES[0]}, or a copy in its place"
        )
    return content


def _too_large(sizes: Counter[str], limit: float, ignore_file: Path | None) -> UserError:
    name, size = sizes.most_common(1)[0]
    return UserError(
        f"--snapshot: the folder holds more than {limit / MIB:g} MiB ({name} alone {size / MIB:.3g} MiB); put what "
        f"jobs do not need into {ignore_file.name if ignore_file else IGNORE_FILES[0]}, or raise --snapshot-limit"
    )
