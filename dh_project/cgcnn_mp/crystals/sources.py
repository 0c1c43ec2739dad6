"""Sources of crystals: the data set that ships, a folder of CIF files, or an archive of such a folder.

A source yields structures unparsed, as the bytes of a CIF file or as a cell. Parsing is slow, so ``graphs.workers``
does it in parallel.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import replace_file
from dh_project.cgcnn_mp.crystals.tables import (
    FEATURE_TABLE,
    ID_TABLE,
    TABLE_NAMES,
    Tables,
    parse_tables,
    shipped_element_features,
)

SHIPPED = "flla"
SHIPPED_FILE = Path(__file__).parents[1] / "data" / f"{SHIPPED}.npz"
SHIPPED_LABELS = ("formation_energy_per_atom", "e_above_hull")
SHIPPED_UNITS = 10**8  # integers per Å (lattices), and per unit of fractional coordinates

CIF = ".cif"

ARCHIVE_ERRORS = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError)


class Cell(NamedTuple):
    """A structure as numbers.

    Attributes:
        lattice: float64 (3, 3), rows a, b, c, Å.
        atomic_numbers: uint8 (N,).
        fractional_coordinates: float64 (N, 3).
    """

    lattice: np.ndarray
    atomic_numbers: np.ndarray
    fractional_coordinates: np.ndarray


Location = str | os.PathLike[str]

Written = bytes | Cell
"""An unparsed structure: the content of a CIF file, or a cell."""


@runtime_checkable
class Source(Protocol):
    """The interface of a source of crystals.

    ``name`` is the source's name in messages. ``fingerprint`` changes whenever the structures change, but not when
    only a label does. It must be fast, because every trial calls it.
    """

    name: str

    def fingerprint(self) -> str:
        """Return the hex digest that identifies the structures and their ids."""

    def tables(self) -> Tables:
        """Return ids, labels and element features."""

    def structures(self) -> Iterator[tuple[str, Written]]:
        """Yield ids and structures, in any order. Ids without a structure are skipped."""


class ShippedSource:
    """The 3,938 crystals of ``data/flla.npz`` (see ``data/PROVENANCE.rst``)."""

    name = SHIPPED

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        with np.load(SHIPPED_FILE, allow_pickle=False) as arrays:
            return dict(arrays)

    def fingerprint(self) -> str:
        """Return the digest of the file."""
        return file_digest(SHIPPED_FILE)

    def tables(self) -> Tables:
        """Return ids, formation energies, energies above the hull (eV/atom) and the features that ship."""
        ids = self._arrays["ids"].tolist()
        labels = {
            label: dict(zip(ids, map(repr, self._arrays[label].tolist()), strict=True))
            for label in SHIPPED_LABELS
        }
        return Tables(ids, labels, shipped_element_features())

    def structures(self) -> Iterator[tuple[str, Cell]]:
        """Yield the cells in the order of the table."""
        ends = np.cumsum(self._arrays["atom_counts"], dtype=np.int64)[:-1]
        numbers = np.split(self._arrays["atomic_numbers"], ends)
        coordinates = np.split(self._arrays["fractional_coordinates"] / SHIPPED_UNITS, ends)
        lattices = self._arrays["lattices"] / SHIPPED_UNITS
        yield from zip(self._arrays["ids"].tolist(), map(Cell, lattices, numbers, coordinates), strict=True)


class FolderSource:
    """A folder in the original CGCNN's layout: ``id_prop.csv``, and ``<id>.cif`` for each id."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    @cached_property
    def _tables(self) -> Tables:
        return parse_tables(self._texts(TABLE_NAMES), self.name)

    def _texts(self, names: Sequence[str]) -> dict[str, str]:
        """Return the texts of the tables that exist, by file name."""
        paths = [self._folder / name for name in names]
        try:
            return {path.name: decode(path.read_bytes()) for path in paths if path.is_file()}
        except OSError as error:
            raise DataError(f"cannot read the tables of {self.name}: {error}") from None

    def fingerprint(self) -> str:
        """Return the digest of the folder's path and of the ids, sizes and times of its CIF files.

        The files are not read. An unpacked or copied file keeps its modification time, and CIF files of the same
        formula often have the same size, so the digest also contains the path and the time of the last change.
        """
        digest = hashlib.sha256(os.fsencode(self._folder.resolve()) + b"\0")
        for identifier in self._tables.ids:
            try:
                status = os.stat(self._cif(identifier))  # noqa: PTH116 (half the time of Path.stat)
                state = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
            except OSError:
                state = "missing"
            digest.update(os.fsencode(f"{identifier}\0{state}\0"))
        return digest.hexdigest()

    def tables(self) -> Tables:
        """Return the folder's tables."""
        return self._tables

    def structures(self) -> Iterator[tuple[str, bytes]]:
        """Yield the CIF files of the ids that have one.

        Raises:
            DataError: A file exists but cannot be read. If it were skipped, the crystal would be cached as missing.
        """
        for identifier in self._tables.ids:
            path = Path(self._cif(identifier))
            try:
                yield identifier, path.read_bytes()
            except OSError as error:
                if os.access(path, os.F_OK):
                    raise DataError(
                        f"cannot read {path}: {error.strerror}; mend that, and begin again"
                    ) from None

    def _cif(self, identifier: str) -> str:
        return f"{self._folder}{os.sep}{identifier}.cif"


class CifSource(FolderSource):
    """CIF files without a table: one file, or all files of a folder. The file name is the crystal's id.

    Raises:
        DataError: The folder holds no CIF file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path if path.is_dir() else path.parent)
        self.name = str(path)
        self._files = sorted(path.glob("*.[cC][iI][fF]")) if path.is_dir() else [path]
        self._is_folder = path.is_dir()
        self._path_of = {_id_of(file): str(file) for file in self._files}
        if not self._files:
            raise DataError(f"{path} is empty: it holds neither {ID_TABLE} nor any file that ends in {CIF}")

    @cached_property
    def _tables(self) -> Tables:
        ids = io.StringIO()
        csv.writer(ids).writerows([_id_of(file)] for file in self._files)
        features = self._texts([FEATURE_TABLE]) if self._is_folder else {}
        return parse_tables({ID_TABLE: ids.getvalue(), **features}, self.name)

    def _cif(self, identifier: str) -> str:
        return self._path_of.get(identifier) or super()._cif(identifier)


def _id_of(cif: Path) -> str:
    return cif.name[: -len(CIF)].strip()


class ArchiveSource:
    """A tar file, compressed or not, that holds one folder in the original CGCNN's layout.

    The tables are kept in the cache after the first reading, because finding them means decompressing the archive.
    """

    def __init__(self, archive: Path, cache_folder: Path) -> None:
        self.name = str(archive)
        self._archive = archive
        self._cache_folder = cache_folder

    @cached_property
    def _digest(self) -> str:
        return file_digest(self._archive)

    @cached_property
    def _kept_tables(self) -> dict[str, Any]:
        """The texts of the tables, and the ``folder`` of the archive that holds them."""
        kept = self._cache_folder / f"{self._digest}.tables.json"
        try:
            return json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            tables = self._find_tables()
            replace_file(kept, lambda path: path.write_text(json.dumps(tables), encoding="utf-8"))
            return tables

    def fingerprint(self) -> str:
        """Return the digest of the archive."""
        return self._digest

    def tables(self) -> Tables:
        """Return the archive's tables."""
        return parse_tables(self._kept_tables["texts"], self.name)

    def structures(self) -> Iterator[tuple[str, bytes]]:
        """Yield the CIF files of the listed ids, in the order of the archive."""
        folder = PurePosixPath(self._kept_tables["folder"])
        ids = {folder / f"{identifier}.cif": identifier for identifier in self.tables().ids}
        for path, content in self._members(".cif"):
            if path in ids:
                yield ids[path], content

    def _find_tables(self) -> dict[str, Any]:
        """Read the tables of the folder nearest to the archive's root that has an ``id_prop.csv``."""
        found = {path: decode(content) for path, content in self._members(*TABLE_NAMES)}
        folders = [path.parent for path in found if path.name == ID_TABLE]
        if not folders:
            raise DataError(f"{self.name} holds no {ID_TABLE}: pack a folder in the original CGCNN's layout")
        folder = min(folders, key=lambda path: len(path.parts))
        texts = {path.name: text for path, text in found.items() if path.parent == folder}
        return {"folder": str(folder), "texts": texts}

    def _members(self, *endings: str) -> Iterator[tuple[PurePosixPath, bytes]]:
        """Yield path and content of all files with one of these endings, in one pass over the archive."""
        try:
            with tarfile.open(self._archive, "r|*") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name.endswith(endings) else None
                    if content is not None:
                        yield PurePosixPath(member.name), content.read()
        except ARCHIVE_ERRORS as error:
            raise DataError(f"cannot read the archive {self.name}: {error}; is the file whole?") from None


def find_crystals(data: Location, cache_folder: Path) -> Source:
    """Return the source of crystals to predict.

    Args:
        data: What ``find_source`` takes, a CIF file, or a folder of CIF files without tables.
        cache_folder: Folder for an archive's tables.

    Raises:
        DataError: The path does not exist, or is an empty folder.
    """
    path = Path(data).expanduser()
    is_bare_folder = path.is_dir() and not (path / ID_TABLE).is_file()
    if is_bare_folder or (path.is_file() and path.suffix.lower() == CIF):
        return CifSource(path)
    return find_source(data, cache_folder)


def find_source(data: Location | Sequence[Location], cache_folder: Path) -> Source:
    """Return the first of the candidate sources that exists.

    Args:
        data: ``"flla"`` (the data set that ships), a folder, or a tar file; or several candidates, in a list or in
            one string with commas.
        cache_folder: Folder for an archive's tables.

    Raises:
        DataError: None of the candidates exists.
    """
    candidates = listed(data)
    for candidate in candidates:
        path = Path(candidate).expanduser()
        if candidate == SHIPPED:
            return ShippedSource()
        if path.is_dir():
            return FolderSource(path)
        if path.is_file():
            return ArchiveSource(path, cache_folder)
    names = [str(candidate) for candidate in candidates]
    hint = dh.errors.did_you_mean(names[0], [SHIPPED]) if len(names) == 1 else ""
    raise DataError(
        f"no data at {', '.join(names)}{hint}: give {SHIPPED}, a folder or a tar file that exists"
    )


def listed(locations: Location | Sequence[Location]) -> list[Location]:
    """Return locations as a list, given one, a sequence, or a string with commas."""
    if isinstance(locations, str):
        return [part.strip() for part in locations.split(",") if part.strip()]
    return [locations] if isinstance(locations, os.PathLike) else list(locations)


def decode(content: bytes) -> str:
    """Decode UTF-8, with a replacement for invalid bytes and without a byte order mark."""
    return content.decode("utf-8-sig", errors="replace")


def file_digest(path: Path) -> str:
    """Return the SHA-256 hash of a file's content, in hexadecimal.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
