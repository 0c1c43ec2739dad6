"""Builds the graphs of a source once, on all cores, into one file that every trial maps.

The file's name is a hash of the structures, the graph settings, the versions of ``READERS`` and ``FORMAT``. So a file
with the right name has the right content, and it never changes. The file holds no labels: if only labels change, no
graph is built again.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import lock
from dh_project.cgcnn_mp.crystals.node_copy import find_copy, forget_digest, make_copy, record_digest
from dh_project.cgcnn_mp.crystals.settings import LIKE_ORIGINAL
from dh_project.cgcnn_mp.crystals.sources import Source, Written
from dh_project.cgcnn_mp.graphs.graph_file import GraphFileWriter, PreparedGraphs, open_graphs
from dh_project.cgcnn_mp.graphs.workers import Chunk, GraphRecipe, build_chunk, build_in_parallel

FORMAT = "dh_project crystal graphs 5"
CHUNK = {"environment": 256, "pymatgen": 16, "original": 16}
"""Number of crystals in each chunk, by the rule for ties."""
CHUNK_BYTES = 2**25
"""Size of the CIF files in a chunk, from which on it is full."""
WORTH_A_PROCESS = {"environment": 10_000, "pymatgen": 200, "original": 200}
"""Number of crystals that are built in about the time in which a worker process starts."""
READERS = ("pymatgen", "gemmi")
"""Libraries on which readable structures and the order of neighbours depend."""
WORTH_A_BAR = 2_000
"""Smallest number of crystals for which progress is shown."""


def prepare_graphs(
    source: Source,
    radius: float,
    count: int,
    cache_folder: Path,
    progress: bool = True,
    ties: str = "environment",
    quotient: bool = True,
) -> PreparedGraphs:
    """Open the graphs of a source, and build them first if necessary.

    If several processes call this at once, one builds the graphs and the others wait. If the file system has no
    locks, each of them builds the same file. A node with scratch gets its own copy of the file.

    Args:
        source: The crystals.
        radius: Cutoff radius, Å.
        count: Neighbours of each atom, at most.
        cache_folder: Folder for the graph file.
        progress: Whether to show progress on standard error.
        ties: Rule for choosing among equally far neighbours; see ``DataSettings``. Graphs with the ties of
            ``LIKE_ORIGINAL`` are never folded.
        quotient: Whether to fold crystals by symmetry.

    Raises:
        DataError: The source cannot be read, the folder cannot be written to, or ``make_copy`` fails.
    """
    recipe = GraphRecipe(float(radius), int(count), ties, bool(quotient) and ties not in LIKE_ORIGINAL)
    facts = [FORMAT, *map(_version, READERS), source.fingerprint(), *recipe]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    path = cache_folder / f"{key}.graphs.safetensors"
    if (copy := find_copy(path)) and (prepared := open_graphs(copy, key)):
        return prepared
    prepared = _open_or_build(source, recipe, path, key, progress)
    copy = make_copy(path)
    return (copy and open_graphs(copy, key)) or prepared


def _open_or_build(
    source: Source, recipe: GraphRecipe, path: Path, key: str, progress: bool
) -> PreparedGraphs:
    """Open the graphs in the cache folder, and build them first if they are missing."""
    if prepared := open_graphs(path, key):
        return prepared
    with lock(path):
        if not (prepared := open_graphs(path, key)):
            forget_digest(path)
            _build(source, recipe, path, key, progress)
            record_digest(path)
            prepared = open_graphs(path, key)
    if prepared is None:
        raise DataError(f"the graphs in {path} cannot be read back: is the file system in order?")
    return prepared


def _version(library: str) -> str:
    """Return the version of an installed library."""
    try:
        return version(library)
    except PackageNotFoundError:  # importable, but not installed
        return ""


def _build(source: Source, recipe: GraphRecipe, path: Path, key: str, progress: bool) -> None:
    """Build the graphs of a source, and write them to ``path``."""
    ids = source.tables().ids
    workers = min(dh.available_cores(), math.ceil(len(ids) / WORTH_A_PROCESS[recipe.ties]))
    chunks = _chunks(source.structures(), CHUNK[recipe.ties])
    shown = path if progress and len(ids) >= WORTH_A_BAR else None
    text = f"Building the graphs of {source.name}"
    with GraphFileWriter(path) as writer, _progress(text, len(ids), shown) as advance:
        if workers > 1:
            if recipe.ties not in LIKE_ORIGINAL:
                build_chunk([], recipe)  # compiles the functions that the workers then load
            parts = build_in_parallel(chunks, recipe, workers)
        else:
            parts = (build_chunk(chunk, recipe) for chunk in chunks)
        for built in parts:
            writer.add(*built)
            advance(len(writer))
        writer.write(ids, key)


def _chunks(structures: Iterator[tuple[str, Written]], size: int) -> Iterator[Chunk]:
    """Yield the structures in chunks of limited number and size."""
    chunk: Chunk = []
    length = 0
    for identifier, written in structures:
        chunk.append((identifier, written))
        length += len(written) if isinstance(written, bytes) else 0
        if len(chunk) == size or length >= CHUNK_BYTES:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk


@contextmanager
def _progress(text: str, total: int, shown: Path | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, one line elsewhere, nothing if ``shown`` is None; yield its update."""
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
