"""Largest resident memory of a training process from CIF files: ours first and later, and the original's.

    python benchmarks/cgcnn/memory.py --original CLONE

Memory does not grow with the number of epochs, so that a few do. A process that only imports torch stands beside.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from options import parser, sample_folder
from peers import missing_peers
from processes import Setting, run_nothing
from rich.table import Table
from timing import print_table
from trial import measure


def main() -> None:
    """Measure and print the table."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--epochs", type=int, default=2)
    options = made.parse_args()
    folder = sample_folder(options)
    runs = measure(folder, options.original, Setting(epochs=options.epochs), options.rounds)
    with TemporaryDirectory() as home:
        runs["import torch"] = [run_nothing(Path(home) / "nothing")]
    floor = runs["import torch"][0].peak
    table = Table("", "peak memory, MiB", "beside torch, MiB", box=None)
    for name, finished in runs.items():
        peak = max(run.peak for run in finished)
        table.add_row(name, f"{peak:.0f}", f"{peak - floor:.0f}")
    title = f"{folder.name}: largest resident memory of a training process, {options.epochs} epochs"
    print_table(title, table, missing_peers(options.original))


if __name__ == "__main__":
    main()
