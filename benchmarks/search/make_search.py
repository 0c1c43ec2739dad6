"""What ``make search`` finds and costs, for several seeds.

    python benchmarks/search/make_search.py --seeds 1 2 3 4 5 --folder make_search

Each search is ``make search``, in the folder ``seed-N`` of ``--folder``. ``SEED`` seeds the proposals and all
trainings. When a search ends, its row is added to ``searches.csv``. Seeds that have a row are not searched again; a
search that was interrupted starts again, so that its cost is counted whole. The configuration is chosen by the
validation MAE, and its test MAE is only reported. The baseline is the first trial: the original's defaults. CPU
seconds are those of all processes of the command.
"""

from __future__ import annotations

import argparse
import csv
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import dh_project as dh

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine
from rows import append_row

REPOSITORY = Path(__file__).absolute().parents[2]


def cpu_seconds() -> float:
    """Return the processor time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def search(seed: int, folder: Path) -> dict[str, Any]:
    """Run ``make search`` in a new folder and return its row.

    Raises:
        CalledProcessError: The command failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    command = ["make", "search", f"VENV={sys.prefix}", f"FOLDER={folder}", f"SEED={seed}"]
    cpu, wall = cpu_seconds(), time.monotonic()
    subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True)
    cost = {"cpu_seconds": cpu_seconds() - cpu, "wall_seconds": time.monotonic() - wall}
    return {"seed": seed, **results(folder), **cost}


def results(folder: Path) -> dict[str, Any]:
    """Return the errors of a search's best configuration, and how much was trained."""
    found = dh.open_search(folder)
    best = found.best
    if best is None:
        raise SystemExit(f"{folder}: no trial has a result")
    trials = found.trials
    return {
        "validation_mae": -(best.objective or 0.0),
        "test_mae": best.metadata["test_mae"],
        "baseline_validation_mae": -(trials[0].objective or 0.0),
        "trials": len(trials),
        "epochs": sum(len(dict(trial.reports)) for trial in trials),
        "best": " ".join(f"{name}={value}" for name, value in best.point.items()),
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def show(rows: Sequence[Mapping[str, str]]) -> None:
    """Print a table of the searches and their median."""
    decimals = {
        "validation_mae": 4,
        "test_mae": 4,
        "baseline_validation_mae": 4,
        "trials": 0,
        "epochs": 0,
        "cpu_seconds": 0,
        "wall_seconds": 0,
    }
    table = Table("seed", *(name.replace("_", " ") for name in decimals), box=None)
    for row in rows:
        table.add_row(row["seed"], *(f"{float(row[name]):.{digits}f}" for name, digits in decimals.items()))
    medians = {name: statistics.median(float(row[name]) for row in rows) for name in decimals}
    table.add_row("median", *(f"{medians[name]:.{digits}f}" for name, digits in decimals.items()))
    console = Console(width=118, highlight=False)
    console.print("make search: MAE in eV/atom of the configuration that validation chooses, flla")
    console.print(describe_machine())
    console.print(table)


def main() -> None:
    """Search once for each seed that has no row, and print the table."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    made.add_argument("--folder", type=Path, default=Path("make_search"))
    options = made.parse_args()
    home = options.folder.absolute()
    home.mkdir(parents=True, exist_ok=True)
    path = home / "searches.csv"
    known = {row["seed"] for row in read_rows(path)}
    for seed in options.seeds:
        if str(seed) not in known:
            append_row(path, search(seed, home / f"seed-{seed}"))
    show(read_rows(path))


if __name__ == "__main__":
    main()
