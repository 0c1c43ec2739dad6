"""Hashes of the content of data sets, which identify them wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import default_cache_folder
from dh_project.cgcnn_mp.crystals.sources import (
    SHIPPED,
    FolderSource,
    Location,
    Source,
    file_digest,
    find_source,
)
from dh_project.cgcnn_mp.crystals.splits import split_file_paths

LOCATIONS = ("data", "split_files")
"""Settings that name data."""


def content_hashes(
    data: Location | Sequence[Location], split_files: Location | Sequence[Location] | None = None
) -> dict[str, str]:
    """Return the hashes of a data set and of its split files, by the names of the arguments.

    Args:
        data: The data set, as for ``DataSettings``.
        split_files: The split files, as for ``DataSettings``; None if there are none.

    Returns:
        The hashes of what can be read.
    """
    hashes = {}
    try:
        hashes["data"] = content_hash(find_source(data, default_cache_folder()))
        if split_files is not None:
            digests = [file_digest(path) for path in split_file_paths(split_files)]
            hashes["split_files"] = hashlib.sha256("".join(digests).encode()).hexdigest()
    except DataError:
        pass
    return hashes


def is_same_content(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether two settings name the same data, or the earlier data is no longer where it was.

    In the second case the checkpoint decides: a training only goes on with the crystals of its sets.
    """
    if all(then.get(name) == now.get(name) for name in LOCATIONS):
        return True
    before, after = (
        content_hashes(settings.get("data", SHIPPED), settings.get("split_files")) for settings in (then, now)
    )
    return before in ({}, after)


def content_hash(source: Source) -> str:
    """Return the SHA-256 hash of a data set's content: of a folder its tables and CIF files, else of its file.

    Raises:
        DataError: The data cannot be read.
    """
    if not isinstance(source, FolderSource):
        return source.fingerprint()
    tables = source.tables()
    digest = hashlib.sha256(repr((tables.ids, tables.labels, tables.element_features)).encode())
    for identifier, content in source.structures():
        digest.update(f"\0{identifier}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
