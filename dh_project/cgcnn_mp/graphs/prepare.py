"""Building the graphs of a source once, on all cores, into one file that every trial maps.

The file's name is a digest of the structures, the graph settings, pymatgen's version and ``FORMAT``: a file under
the right name is the right one, and nothing in it ever changes. It holds no labels, so changing them costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import lock
from dh_project.cgcnn_mp.crystals.node_copy import find_copy, forget_digest, make_copy, record_digest
from dh_project.cgcnn_mp.crystals.sources import Source, Written
from dh_project.cgcnn_mp.graphs.graph_file import GraphFileWriter, PreparedGraphs, open_graphs
from dh_project.cgcnn_mp.graphs.workers import Chunk, GraphRecipe, build_chunk, build_in_parallel

FORMAT = "dh_project crystal graphs 4"
CHUNK = {"environment": 256, "pymatgen": 16}
"""Crystals that are built at a time, by the kind of ties."""
WORTH_A_PROCESS = {"environment": 10_000, "pymatgen": 200}
"""Crystals that take about as long as a worker process takes to start."""
WORTH_A_BAR = 2_000
"""Crystals from which on progress is shown."""


def prepare_graphs(
    source: Source,
    radius: float,
    count: int,
    cache_folder: Path,
    progress: bool = True,
    ties: str = "environment",
    quotient: bool = True,
) -> PreparedGraphs:
    """Open the graphs of a source, and build them first where that was not done yet.

    Of several processes that come at once, one builds and the others wait for it. Where a file system has no locks,
    each builds, and the last one's file stays, which is the same. A node that has scratch gets a copy of its own.

    Args:
        source: Where the crystals come from.
        radius: Cutoff, Å.
        count: Neighbours an atom, K.
        cache_folder: Where the file is kept.
        progress: Whether to show the building on standard error.
        ties: ``environment`` keeps those of equally far neighbours that ``symmetry.py`` says; ``pymatgen`` those
            that the original CGCNN keeps, whose graphs are never folded.
        quotient: Whether to fold crystals by symmetry.

    Raises:
        DataError: The source cannot be read, or the folder not written to; or see ``make_copy``.
    """
    recipe = GraphRecipe(float(radius), int(count), ties, bool(quotient) and ties != "pymatgen")
    facts = [FORMAT, _pymatgen(), source.fingerprint(), *recipe]
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
    """Open the graphs in the cache, and build them first where they are not there."""
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


def _pymatgen() -> str:
    """Return its version, which decides what can be read, and the order of its neighbours."""
    try:
        return version("pymatgen")
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
            if recipe.ties != "pymatgen":
                build_chunk([], recipe)  # compiles what the workers then load
            parts = build_in_parallel(chunks, recipe, workers)
        else:
            parts = (build_chunk(chunk, recipe) for chunk in chunks)
        for built in parts:
            writer.add(*built)
            advance(len(writer))
        writer.write(ids, key)


def _chunks(structures: Iterator[tuple[str, Written]], size: int) -> Iterator[Chunk]:
    while chunk := list(islice(structures, size)):
        yield chunk


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
