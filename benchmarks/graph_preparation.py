"""Building a data set's graphs, opening them again, and what the original's way costs.

    python benchmarks/graph_preparation.py [data]     # flla, a folder, or a tar file of one

The peer is the graph construction of the original CGCNN (``get_all_neighbors``, each atom's list sorted in Python,
the twelve nearest kept), on the same structures as read by the same parser, in turns with ours, on one core.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from itertools import islice
from pathlib import Path

from machine import describe_machine
from pymatgen.core import Structure
from rich.console import Console
from rich.table import Table

from dh_project.cgcnn_mp.crystals.sources import Cell, Written, find_source
from dh_project.cgcnn_mp.graphs.symmetry import folded_graphs

SAMPLE = 200
OPEN = """\
import sys, time
from dh_project.cgcnn_mp.load_data import load_data
started = time.perf_counter()
sets = load_data(sys.argv[1], cache_folder=sys.argv[2])
print(time.perf_counter() - started, sum(map(len, sets)))
"""


def structure_of(written: Written) -> Structure:
    """Read a structure as both sides do."""
    if isinstance(written, Cell):
        return Structure(written.lattice, written.atomic_numbers.tolist(), written.fractional_coordinates)
    return Structure.from_str(written.decode(), fmt="cif")


def original_graph(written: Written) -> list[list[int]]:
    """Find neighbours as the original does."""
    lists = structure_of(written).get_all_neighbors(8.0, include_index=True)
    return [[other[2] for other in sorted(one, key=lambda other: other[1])[:12]] for one in lists]


def seconds_of(action: object, written: Written) -> float:
    """Return how long an action on a structure takes."""
    started = time.perf_counter()
    action(written)  # type: ignore[operator]
    return time.perf_counter() - started


def main() -> None:
    """Measure and print the table."""
    warnings.simplefilter("ignore")  # pymatgen tells of each coordinate that it rounds
    data = sys.argv[1] if len(sys.argv) > 1 else "flla"
    with tempfile.TemporaryDirectory() as cache:
        words = [sys.executable, "-c", OPEN, data, cache]
        started = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        built = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        answers = [subprocess.run(words, check=True, capture_output=True, text=True).stdout for _ in range(3)]
        opened = statistics.median(float(answer.split()[0]) for answer in answers)
        count = int(answers[0].split()[1])
        size = sum(path.stat().st_size for path in Path(cache).glob("*.safetensors"))
        sample = [written for _, written in islice(find_source(data, Path(cache)).structures(), SAMPLE)]
    folded_graphs(sample[:1], 8.0, 16)
    ours, theirs = 0.0, 0.0
    for written in sample:
        ours += seconds_of(lambda w: folded_graphs([w], 8.0, 16), written)
        theirs += seconds_of(original_graph, written)

    table = Table("", "", title=f"{Path(data).name}, {count:,} crystals; {describe_machine()}", box=None)
    table.add_row("build the cache, all cores, from a cold start", f"{built:.1f} s")
    table.add_row("largest process in it", f"{peak:.2f} GiB")
    table.add_row(
        "the file", f"{size / 2**20:.1f} MiB, {size / count / 1000:.2f} kB a crystal at 16 neighbours"
    )
    table.add_row("open it again (load_data: tables, split, map)", f"{opened:.2f} s")
    table.add_row(f"read and graph {SAMPLE} crystals, one core", f"{SAMPLE / ours:.0f} a second")
    table.add_row(
        "  the original's way, in turns", f"{SAMPLE / theirs:.0f} a second: ratio {theirs / ours:.1f}"
    )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
