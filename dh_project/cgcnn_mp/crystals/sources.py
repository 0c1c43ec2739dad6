"""Sources of crystals: the data set that ships, a folder of CIF files, or an archive of such a folder.

A source yields structures unparsed, as the bytes of a CIF file or as a cell. Parsing is slow, so ``graphs.workers``
does it in parallel.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.archives import LARGEST_CIF, LARGEST_TABLE, read_file, read_members
from dh_project.cgcnn_mp.crystals.cache import replace_file
from dh_project.cgcnn_mp.crystals.tables import (
    FEATURE_TABLE,
    ID_TABLE,
    LABEL_TABLE,
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

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings; the longer ones first."""


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
            return {path.name: decode(read_file(path, LARGEST_TABLE)) for path in paths if path.is_file()}
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
                yield identifier, read_file(path, LARGEST_CIF)
            except OSError as error:
                if os.access(path, os.F_OK):
                    raise DataError(
                        f"cannot read {path}: {error.strerror}; mend that, and begin again"
                    ) from None

    def _cif(self, identifier: str) -> str:
        return f"{self._folder}{os.sep}{identifier}.cif"


class CifSource(FolderSource):
    """CIF files without a table of ids: some files, or all files of a folder. The file name is the crystal's id.

    Raises:
        DataError: The folder holds no CIF file, or two files have one id.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        first = paths[0]
        self._is_folder = first.is_dir()
        super().__init__(first if self._is_folder else first.parent)
        self.name = str(first) if len(paths) == 1 else f"{first} and {len(paths) - 1} more"
        self._files = sorted(first.glob("*.[cC][iI][fF]")) if self._is_folder else list(paths)
        if not self._files:
            raise DataError(f"{first} is empty: it holds neither {ID_TABLE} nor any file that ends in {CIF}")
        self._path_of: dict[str, str] = {}
        for file in self._files:
            other = self._path_of.setdefault(_id_of(file), str(file))
            if other != str(file):
                raise DataError(f"{other} and {file} are both called {_id_of(file)}: rename one")
            if not _id_of(file):
                raise DataError(f"{file} has no name before {CIF}: rename it")

    @cached_property
    def _tables(self) -> Tables:
        ids = io.StringIO()
        csv.writer(ids).writerows([identifier] for identifier in self._path_of)
        others = self._texts([LABEL_TABLE, FEATURE_TABLE]) if self._is_folder else {}
        return parse_tables({ID_TABLE: ids.getvalue(), **others}, self.name)

    def fingerprint(self) -> str:
        """Return the digest of the folder, and of the paths, sizes and times of the files."""
        digest = hashlib.sha256(super().fingerprint().encode())
        for file in self._files:
            digest.update(os.fsencode(file.resolve()) + b"\0")
        return digest.hexdigest()

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
        kept = self._cache_folder / f"{self._digest}.only-tables.json"
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
        for path, content in read_members(self._archive, lambda path: LARGEST_CIF if path in ids else None):
            yield ids[path], content

    def _find_tables(self) -> dict[str, Any]:
        """Read the tables of the only folder that has an ``id_prop.csv``.

        Raises:
            DataError: There is no such folder, or there are several.
        """
        members = read_members(
            self._archive, lambda path: LARGEST_TABLE if path.name in TABLE_NAMES else None
        )
        found, size = [], 0
        for path, content in members:
            size += len(content)
            if size > LARGEST_TABLE:
                raise DataError(f"the tables of {self.name} have more than {LARGEST_TABLE:,} bytes")
            found.append((path, decode(content)))
        tables = [path for path, _ in found if path.name == ID_TABLE]
        if not tables:
            labels = "" if LABEL_TABLE not in [path.name for path, _ in found] else f", only {LABEL_TABLE}"
            raise DataError(
                f"{self.name} holds no {ID_TABLE}{labels}: pack a folder in the original CGCNN's layout"
            )
        if len(tables) > 1:
            names = ", ".join(map(str, tables[:5])) + (", …" if len(tables) > 5 else "")
            raise DataError(
                f"{self.name} holds {len(tables)} data sets ({names}): pack each in its own archive"
            )
        folder = tables[0].parent
        texts = {path.name: text for path, text in found if path.parent == folder}
        return {"folder": str(folder), "texts": texts}


def find_crystals(data: Location | Sequence[Location], cache_folder: Path) -> Source:
    """Return the source of crystals to predict.

    Args:
        data: What ``find_source`` takes, a folder of CIF files without tables, or one or several CIF files.
        cache_folder: Folder for an archive's tables.

    Raises:
        DataError: The path does not exist, or is an empty folder.
    """
    paths = (
        [dh.files.at_home(data)] if isinstance(data, str | os.PathLike) else list(map(dh.files.at_home, data))
    )
    if paths and all(path.is_file() and path.suffix.lower() == CIF for path in paths):
        return CifSource(paths)
    if len(paths) == 1:
        (path,) = paths
        return (
            CifSource(paths)
            if path.is_dir() and not (path / ID_TABLE).is_file()
            else find_source(data, cache_folder)
        )
    other = next((path for path in paths if not path.is_file() or path.suffix.lower() != CIF), "nothing")
    raise DataError(f"{other} is no CIF file: name several CIF files, or one data set")


def find_source(data: Location | Sequence[Location], cache_folder: Path) -> Source:
    """Return the first of the candidate sources that exists.

    Args:
        data: ``"flla"`` (the data set that ships), a folder, or a tar file; or several candidates, in a list or in
            one string with commas. A path that exists as it is written is one candidate, even if it has a comma.
        cache_folder: Folder for an archive's tables.

    Raises:
        DataError: None of the candidates exists.
    """
    candidates = listed(data)
    for candidate in candidates:
        path = dh.files.at_home(candidate)
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
    """Return locations as a list, given one, a sequence, or a string with commas, with or without brackets.

    A path that exists as it is written is one location.
    """
    if isinstance(locations, str):
        if os.path.lexists(dh.files.at_home(locations)):
            return [locations]
        inside = locations.strip()
        inside = inside[1:-1] if inside.startswith("[") and inside.endswith("]") else inside
        return [part.strip() for part in inside.split(",") if part.strip()]
    return [locations] if isinstance(locations, os.PathLike) else list(locations)


def decode(content: bytes) -> str:
    """Decode text by its byte order mark, or else as UTF-8, with a replacement for invalid bytes."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
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
