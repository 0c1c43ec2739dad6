"""Building the graphs of a source once, on all cores, into one file that every trial maps.

The file's name is a digest of the structures, the graph settings and ``FORMAT``: a file under the right name
is the right one, and nothing in it ever changes. It holds no labels, so changing them costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from torch import Tensor

from dh_project.cgcnn_mp.cache import lock, replace_file
from dh_project.cgcnn_mp.crystals import Source, Written
from dh_project.cgcnn_mp.errors import DataError
from dh_project.cgcnn_mp.graph_arrays import GraphArrays
from dh_project.cgcnn_mp.graph_workers import Chunk, build_chunk, build_in_parallel
from dh_project.cgcnn_mp.neighbours import Graph

FORMAT = "dh_project crystal graphs 3"
CHUNK = 64
"""Crystals that a worker process gets at a time."""
WORTH_A_PROCESS = 500
"""Crystals that take about as long as a worker process takes to start."""


@dataclass(frozen=True)
class PreparedGraphs:
    """The graphs of a source, mapped from their file.

    Attributes:
        ids: Material ids of the C crystals that have a graph, in the source's order.
        left_out: Material id to reason, of those that have none.
        arrays: The tensors that ``GraphArrays`` names, of the dtypes there or narrower ones.
    """

    ids: list[str]
    left_out: dict[str, str]
    arrays: dict[str, Tensor]


def prepare_graphs(
    source: Source, radius: float, count: int, cache_folder: Path, progress: bool = True
) -> PreparedGraphs:
    """Open the graphs of a source, and build them first where that was not done yet.

    Of several processes that come at once, one builds and the others wait for it.

    Args:
        source: Where the crystals come from.
        radius: Cutoff, Å.
        count: Neighbours an atom, K.
        cache_folder: Where the file is kept.
        progress: Whether to show the building on standard error.

    Raises:
        DataError: The source cannot be read, or the folder not written to.
    """
    key = hashlib.sha256(json.dumps([FORMAT, source.fingerprint(), radius, count]).encode()).hexdigest()
    path = cache_folder / f"{key}.graphs.safetensors"
    if prepared := open_graphs(path, key):
        return prepared
    with lock(path):
        if not (prepared := open_graphs(path, key)):
            ids = source.tables().ids
            results = _build(source, len(ids), radius, count, path if progress else None)
            replace_file(path, partial(_save, ids=ids, results=results, key=key, count=count))
            prepared = open_graphs(path, key)
    if prepared is None:
        raise DataError(f"the graphs in {path} cannot be read back: is the file system in order?")
    return prepared


def open_graphs(path: Path, key: str) -> PreparedGraphs | None:
    """Map a file of graphs; None where there is none, or one that is cut short or not of this key."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("key") != key:
                return None
            return PreparedGraphs(
                ids=json.loads(facts["ids"]),
                left_out=json.loads(facts["left_out"]),
                arrays={name: file.get_tensor(name) for name in GraphArrays._fields},
            )
    except (OSError, SafetensorError, KeyError):
        return None


def _save(path: Path, ids: list[str], results: dict[str, Graph | str], key: str, count: int) -> None:
    """Write the graphs end to end, in the order of ``ids``."""
    from safetensors.numpy import save

    found = {identifier: results.get(identifier, f"no readable file {identifier}.cif") for identifier in ids}
    graphs = {identifier: graph for identifier, graph in found.items() if isinstance(graph, Graph)}
    left_out = {identifier: reason for identifier, reason in found.items() if isinstance(reason, str)}
    blocks = [_folded(graph) for graph in graphs.values()]
    arrays = GraphArrays(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    facts = {"key": key, "ids": json.dumps(list(graphs)), "left_out": json.dumps(left_out)}
    path.write_bytes(save(arrays._asdict(), metadata=facts))


def _folded(graph: Graph) -> GraphArrays:
    """To be replaced."""
    present = np.isfinite(graph.distances)
    distances, shells = np.unique(graph.distances[present], return_inverse=True)
    return GraphArrays(
        class_counts=np.array([len(graph.elements)]),
        distance_counts=np.array([len(distances)]),
        elements=graph.elements,
        multiplicities=np.ones(len(graph.elements), np.uint8),
        edge_counts=present.sum(axis=1).astype(np.int16),
        neighbours=graph.neighbours[present].astype(np.int16),
        shells=shells.astype(np.int16),
        repeats=np.ones(len(shells), np.uint8),
        distances=distances.astype(np.float32),
    )


def _build(
    source: Source, total: int, radius: float, count: int, shown: Path | None
) -> dict[str, Graph | str]:
    """Return graph or reason by id; ``shown`` is the file to name where progress is to be shown."""
    workers = min(available_cores(), math.ceil(total / WORTH_A_PROCESS))
    chunks = _chunks(source.structures())
    if workers > 1:
        parts = build_in_parallel(chunks, radius, count, workers)
    else:
        parts = (build_chunk(chunk, radius, count) for chunk in chunks)
    results: dict[str, Graph | str] = {}
    with _progress(f"Building the graphs of {source.name}", total, shown if workers > 1 else None) as advance:
        for built in parts:
            results.update(built)
            advance(len(results))
    return results


def _chunks(structures: Iterator[tuple[str, Written]]) -> Iterator[Chunk]:
    while chunk := list(islice(structures, CHUNK)):
        yield chunk


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _progress(text: str, total: int, shown: Path | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, one line elsewhere, nothing for None; yield what moves the bar."""
    if shown is None:
        yield lambda done: None
        return
    if not sys.stderr.isatty():
        print(f"{text}: {total:,} crystals, once; kept as {shown}", file=sys.stderr)
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.update(task, completed=done)
