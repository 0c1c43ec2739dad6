"""Reads files of a data set, in a folder or in an archive, without trusting their sizes."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Self

from dh_project.cgcnn_mp.crystals import DataError

LARGEST_CIF = 16 * 2**20
"""Largest size of a CIF file, bytes. With 32,767 atoms, the most that a graph can have, it has about 3 MB."""
LARGEST_TABLE = 128 * 2**20
"""Largest size of a table, and of all tables of an archive together, bytes."""
LARGEST_HEADER = 2**20
"""Largest size of an extended header of a tar file, which holds a long name, for example."""

_ERRORS = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError)
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_KINDS = {
    b"PK": "a zip file: unpack it, and name the folder",
    b"7z\xbc\xaf": "a 7z file: unpack it, and name the folder",
    b"\x89HDF": "an HDF5 file: a folder or a tar file of CIF files is needed",
}
_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh")


class _Member(tarfile.TarInfo):
    """A member of an archive whose extended headers are short; ``tarfile`` reads them into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {_in_words(member.size)}")
        return member


def read_file(path: Path, largest: int) -> bytes:
    """Return the content of a file.

    Raises:
        DataError: The file is larger than ``largest`` bytes.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
        if len(content) > largest:
            raise _too_large(str(path), path.stat().st_size, largest)
    return content


def read_members(
    archive: Path, largest: Callable[[PurePosixPath], int | None]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield path and content of the wanted files of an archive, in one pass. Other members take no memory.

    Args:
        archive: A tar file, compressed or not.
        largest: Returns the largest size of a file, bytes; None if the file is not wanted.

    Raises:
        DataError: The archive cannot be read, or a wanted file is too large.
    """
    try:
        with tarfile.open(archive, "r|*", tarinfo=_Member) as opened:
            for member in opened:
                opened.members.clear()  # type: ignore[attr-defined]  # else memory grows with each member
                path = PurePosixPath(member.name)
                limit = largest(path) if member.isfile() else None
                if limit is None:
                    continue
                if member.size > limit:
                    raise _too_large(f"{path} in {archive}", member.size, limit)
                content = opened.extractfile(member)
                if content is not None:
                    yield path, content.read()
    except _ERRORS as error:
        raise DataError(_why_unreadable(archive, error)) from None


def _why_unreadable(archive: Path, error: Exception) -> str:
    """Return the message for a file that ``tarfile`` refuses: what it is, or how it is damaged."""
    try:
        with archive.open("rb") as file:
            head = file.read(512)
    except OSError as reason:
        return f"cannot read {archive}: {reason.strerror}"
    for magic, kind in _KINDS.items():
        if head.startswith(magic):
            return f"{archive} is {kind}"
    is_archive = head.startswith(_COMPRESSED) or head[257:262] == b"ustar"
    if head and not is_archive and b"\0" not in head:
        if archive.suffix.lower() == ".csv":
            return f"{archive} is a table: name the folder that holds it and the CIF files"
        return f"{archive} is no tar file: give a folder, a tar file of one, or for predictions a CIF file (.cif)"
    return f"cannot read the archive {archive}: {error}; is the file whole?"


def _too_large(name: str, size: int, largest: int) -> DataError:
    return DataError(
        f"{name} has {_in_words(size)}, more than {_in_words(largest)}: is it what its name says?"
    )


def _in_words(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
