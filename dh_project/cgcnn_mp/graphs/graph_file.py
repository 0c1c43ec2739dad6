"""The graph file: written once in the order of the ids, and memory-mapped by every trial.

The format is safetensors (https://github.com/huggingface/safetensors). The safetensors library reads and maps the
file. It is written here, block by block, because the library would need all arrays in memory.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor

from dh_project.cgcnn_mp.crystals.cache import replace_file, unwritable
from dh_project.cgcnn_mp.graphs.arrays import LEVELS, GraphArrays, first_positions

TYPE_NAMES = {"uint8": "U8", "int16": "I16", "int32": "I32", "int64": "I64", "float32": "F32"}
"""Names of types in NumPy and in safetensors."""
PIECE = 4096
"""Number of crystals in each written block."""


@dataclass(frozen=True)
class PreparedGraphs:
    """The graphs of a source, mapped from their file.

    Attributes:
        ids: Material ids of the C crystals that have a graph, in the order of the source.
        left_out: Material id to reason, for the crystals without a graph.
        notes: Material id to what was repaired or assumed when the crystal was read.
        arrays: The tensors that ``GraphArrays`` describes; integers have the narrowest type that holds them.
    """

    ids: list[str]
    left_out: dict[str, str]
    notes: dict[str, str]
    arrays: dict[str, Tensor]


def open_graphs(path: Path, key: str) -> PreparedGraphs | None:
    """Map a graph file; return None if it is missing or truncated, or has another key."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("key") != key:
                return None
            return PreparedGraphs(
                ids=json.loads(facts["ids"]),
                left_out=json.loads(facts["left_out"]),
                notes=json.loads(facts["notes"]),
                arrays={name: file.get_tensor(name) for name in GraphArrays._fields},
            )
    except (OSError, SafetensorError, KeyError):
        return None


class GraphFileWriter:
    """Context manager that collects graphs in any order, and writes them in the order of the ids.

    Collected graphs are kept in unnamed temporary files in the same folder. Memory holds only a few numbers for each
    crystal, and no file remains if the process is killed.

    Raises:
        DataError: The folder cannot be written to, or the disk is full. All methods raise it too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, int] = {}
        self._reasons: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._come = 0
        self._edges: list[np.ndarray] = []
        self._largest = dict.fromkeys(GraphArrays._fields, 0)
        self._aside: dict[str, IO[bytes]] = {}

    def __enter__(self) -> GraphFileWriter:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for name in GraphArrays._fields:
                self._aside[name] = tempfile.TemporaryFile(dir=self._path.parent)
        except OSError as error:
            self.__exit__()
            raise unwritable(self._path.parent, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._aside.values():
            with suppress(OSError):  # a full disk refuses the last writes, whose data is no longer needed
                file.close()

    def add(
        self, ids: Sequence[str], reasons: Sequence[str], notes: Sequence[str], graphs: GraphArrays
    ) -> None:
        """Add the graphs of some crystals; a reason that is not empty says why a crystal has no graph."""
        self._rows.update(zip(ids, range(self._come, self._come + len(ids)), strict=True))
        self._reasons.update(zip(ids, reasons, strict=True))
        self._notes.update(zip(ids, notes, strict=True))
        self._come += len(ids)
        first_edge = first_positions(graphs.edge_counts)
        self._edges.append(np.diff(first_edge[first_positions(graphs.class_counts)]).astype(np.int32))
        try:
            for name, array in graphs._asdict().items():
                self._aside[name].write(np.ascontiguousarray(array).data)
                if len(array) and array.dtype != np.float32:
                    self._largest[name] = max(self._largest[name], int(array.max()))
        except OSError as error:
            raise unwritable(self._path.parent, error) from None

    def __len__(self) -> int:
        return len(self._rows)

    def write(self, ids: Sequence[str], key: str) -> None:
        """Write the file in one step, with the graphs in the order of ``ids``."""
        reasons = {
            identifier: self._reasons.get(identifier, f"no readable file {identifier}.cif")
            for identifier in ids
        }
        left_out = {identifier: reason for identifier, reason in reasons.items() if reason}
        kept = [identifier for identifier in ids if not reasons[identifier]]
        notes = {identifier: note for identifier in kept if (note := self._notes[identifier])}
        facts = {
            "key": key,
            "ids": json.dumps(kept),
            "left_out": json.dumps(left_out),
            "notes": json.dumps(notes),
        }
        rows = np.array([self._rows[identifier] for identifier in kept], np.int64)
        replace_file(self._path, partial(self._write, rows=rows, facts=facts))

    def _write(self, path: Path, rows: np.ndarray, facts: dict[str, str]) -> None:
        for file in self._aside.values():
            file.flush()
        counts = {
            "crystal": np.ones(self._come, np.int32),
            "class": self._mapped("class_counts"),
            "edge": np.concatenate(self._edges or [np.empty(0, np.int32)]),
            "distance": self._mapped("distance_counts"),
        }
        level_of = {name: level for level, names in LEVELS.items() for name in names}
        types = {name: self._narrowest(name) for name in GraphArrays._fields}
        names = sorted(types, key=lambda name: -types[name].itemsize)  # aligns each array to its item size
        header: dict[str, object] = {"__metadata__": facts}
        begin = 0
        for name in names:
            length = int(counts[level_of[name]][rows].sum())
            end = begin + length * types[name].itemsize
            header[name] = {
                "dtype": TYPE_NAMES[types[name].name],
                "shape": [length],
                "data_offsets": [begin, end],
            }
            begin = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                for piece in _gathered(self._mapped(name), counts[level_of[name]], rows):
                    file.write(piece.astype(types[name]).data)

    def _mapped(self, name: str) -> np.ndarray:
        file = self._aside[name]
        dtype = {"elements": np.uint8, "distances": np.float32}.get(name, np.int32)
        return np.memmap(file, dtype, "r") if file.tell() else np.empty(0, dtype)

    def _narrowest(self, name: str) -> np.dtype:
        if name == "distances":
            return np.dtype(np.float32)
        fitting = (
            dtype for dtype in (np.uint8, np.int16, np.int32) if self._largest[name] <= np.iinfo(dtype).max
        )
        return np.dtype(next(fitting))


def _gathered(array: np.ndarray, counts: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield, in blocks, the parts of an array that belong to some rows, in the order of these rows.

    Args:
        array: The parts of all rows, concatenated.
        counts: Number of elements of each row's part.
        rows: int64, indices of the rows.
    """
    first = first_positions(counts)
    for begin in range(0, len(rows), PIECE):
        chosen = rows[begin : begin + PIECE]
        sizes = first[chosen + 1] - first[chosen]
        moved = first[chosen] - first_positions(sizes)[:-1]
        yield array[np.arange(sizes.sum()) + np.repeat(moved, sizes)]
