"""Writing files and folders completely or not at all, and durably."""

from __future__ import annotations

import csv
import errno
import glob
import io
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError


def at_home(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` replaced by the home folder, unless it exists as written or there is no such user.

    >>> at_home("~nobody-of-this-name/crystals").as_posix()
    '~nobody-of-this-name/crystals'
    """
    written = Path(path)
    if written.parts[:1] and written.parts[0].startswith("~") and not written.exists():
        with suppress(RuntimeError):
            return written.expanduser()
    return written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file's new content, which replaces the file durably when the block ends.

    If the path is a symbolic link, the file that it names is replaced, and the link stays. A device, a pipe or a
    folder is never replaced. The temporary path is in the same folder. Its name contains the host and the process, so
    that writers on several nodes never share it; the last writer wins. If the block fails, the file keeps its old
    content.

    Raises:
        OSError: The file cannot be written, or is no regular file; the error names ``path``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "settings.json")
        ...     with replacing(path) as aside:
        ...         _ = aside.write_text("{}")
        ...     path.read_text()
        '{}'
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.exists() and not target.is_file():
        kind = errno.EISDIR if target.is_dir() else errno.EINVAL
        raise OSError(kind, os.strerror(kind) if target.is_dir() else "not a regular file", str(path))
    aside = _aside(target)
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(target)
    except OSError as error:
        if error.filename in (None, str(aside)):  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def creating(target: Path) -> Iterator[Path]:
    """Yield a temporary path for a new folder or file, which gets its name in one step when the block ends.

    The block makes the folder or the file at the temporary path, which lies beside ``target``. If the block fails,
    nothing is left. Remains of killed writers on this machine are removed first.

    Raises:
        FileExistsError: The target exists at the end of the block; nothing is left of the new one.
        OSError: The target cannot be written; the error of the file system names the temporary path.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with creating(Path(folder, "project")) as aside:
        ...         aside.mkdir()
        ...         _ = (aside / "README.md").write_text("A project")
        ...     Path(folder, "project", "README.md").read_text()
        'A project'
    """
    from psutil import pid_exists  # which takes time to import

    aside = _aside(target)
    for path in target.parent.glob(f"{glob.escape(aside.stem)}.*"):
        pid = path.name.removeprefix(f"{aside.stem}.")
        if pid == str(os.getpid()) or (pid.isdecimal() and not pid_exists(int(pid))):
            remove(path)
    try:
        yield aside
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        aside.rename(target)
        sync_folder(target.parent)
    finally:
        remove(aside)


def check_output(
    path: Path | None, endings: Sequence[str], option: str = "-o", inputs: Iterable[Path] = ()
) -> None:
    """Check, before a command does its work, that it can write its output to a file.

    A link is followed: the file that it names is written. A folder, a device or a pipe is refused, because the file
    is replaced as a whole.

    Args:
        path: The file; None: the command writes none.
        endings: The endings that it may have, in the form ``.csv``. Capital letters count as small ones.
        option: The option that names the file, for messages; empty for an argument.
        inputs: Files that the command reads.

    Raises:
        UserError: The ending is unknown, no file can be written there, or it is one of the inputs.

    Example:
        >>> check_output(Path("best.xlsx"), (".json", ".csv"))
        Traceback (most recent call last):
        ...
        dh_project.common.errors.UserError: -o best.xlsx: cannot write .xlsx; end it in .json or .csv
    """
    if path is None:
        return
    named = f"{option} {path}".lstrip()
    if path.is_dir():
        raise UserError(f"{named}: this is a folder; name a file")
    if not path.name.lower().endswith(tuple(endings)):
        raise UserError(
            f"{named}: cannot write {path.suffix or 'a file without ending'}; end it in "
            f"{' or '.join([', '.join(endings[:-1]), endings[-1]] if endings[1:] else endings)}"
        )
    if path.exists() and not path.is_file():
        raise UserError(f"{named}: this is a device or a pipe, which would be replaced; name a regular file")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        parent = path.parent if target.parent == path.absolute().parent else target.parent
        raise UserError(f"{named}: there is no folder {parent}; make it first")
    if any(each.exists() and path.exists() and path.samefile(each) for each in inputs):
        raise UserError(f"{named}: this file is read by the same command; name another one")


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content, as far as possible; a missing one is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _aside(path: Path) -> Path:
    """Return the temporary path of this process for a file or folder, beside it."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")


def is_aside(name: str) -> bool:
    """Return whether a name is a temporary one of this machine: a file being written, or left by a killed writer."""
    return bool(re.fullmatch(rf"\..+\.{re.escape(socket.gethostname())}\.\d+", name))


@contextmanager
def must_be_written() -> Iterator[None]:
    """Add advice to the error if a file of a search cannot be written: nothing is lost, and what to do.

    Raises:
        OSError: The error of the block, with the advice and the file's name.
    """
    try:
        yield
    except OSError as error:
        mend = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"
        advice = f"the search stops; all that is on record stays: {mend}, and the same command goes on"
        raise OSError(error.errno, f"{error.strerror}; {advice}", error.filename) from error


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on disk, if the file system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a CSV file. Columns are in the order of their first appearance.

    Args:
        path: The file.
        rows: The rows, each a mapping from column names to values. A missing value leaves the cell empty.

    Raises:
        OSError: The file cannot be written; it keeps its old content.
    """
    write_whole(path, table_text(rows))


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    r"""Return rows as CSV text with a header. Columns are in the order of their first appearance.

    >>> table_text([{"epoch": 1}, {"epoch": 2, "mae": 0.5}])
    'epoch,mae\n1,\n2,0.5\n'
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    lines: list[list[Any]] = [list(columns), *([row.get(name) for name in columns] for row in rows)]
    return "".join(map(csv_line, lines))


def csv_line(cells: Sequence[Any]) -> str:
    r"""Return cells as a line of a CSV file that ends with a line feed. None leaves a cell empty.

    >>> csv_line([1, None, "a,b", "line\rend"])
    '1,,"a,b","line\rend"\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # it quotes only the characters of its line end
    return text.getvalue().removesuffix("\r\n") + "\n"


def write_whole(path: Path, text: str) -> None:
    """Replace a file's content by a text, in UTF-8.

    Raises:
        OSError: The file cannot be written; it keeps its old content.
    """
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")
