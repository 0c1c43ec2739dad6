"""Data-parallel training: epochs per second of one trial by its number of ranks, at one global batch size.

    python benchmarks/clusters/data_parallel.py

Each rank is a process with one thread and, if there are enough, a core of its own. The ranks communicate by gloo on
this machine. A round trains once with each number of ranks. The time of an epoch includes its validation and is the
median over a training without its first epoch; the best round counts. The objective shows that all trainings agree.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import socket
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

LOOPBACK = "127.0.0.1"


def train_as_rank(rank: int, size: int, port: int, folder: Path, options: argparse.Namespace) -> None:
    """Train in this process, one of ``size`` ranks."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(port),
    }  # fmt: skip
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    from dh_project.cgcnn_mp.model_run import run

    objective = run(
        {"batch_size": options.batch_size},
        data=options.data,
        epochs=1 + options.epochs,
        patience=None,
        device="cpu",
        folder=folder,
    )
    if rank == 0:
        (folder / "objective").write_text(repr(objective))


def train_with(size: int, options: argparse.Namespace) -> tuple[float, float]:
    """Train with so many ranks, and return the seconds per epoch and the objective."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as name:
        folder = Path(name)
        context = multiprocessing.get_context("spawn")
        ranks = [
            context.Process(target=train_as_rank, args=(rank, size, port, folder, options))
            for rank in range(size)
        ]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
        if any(process.exitcode for process in ranks):
            raise SystemExit(f"a training with {size} ranks failed")
        with (folder / "history.csv").open(newline="") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        return statistics.median(seconds[1:]), float((folder / "objective").read_text())


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="flla", help="what to train on (flla, all of it)")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch-size", type=int, default=256, help="of all ranks together (256)")
    parser.add_argument("--epochs", type=int, default=5, help="timed, of each training (5)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.epochs = 1, 2
    seconds: dict[int, list[float]] = {size: [] for size in options.ranks}
    objectives = {}
    for turn in range(options.rounds):
        order = options.ranks[turn % len(options.ranks) :] + options.ranks[: turn % len(options.ranks)]
        for size in order:
            epoch, objectives[size] = train_with(size, options)
            seconds[size].append(epoch)
    first = min(seconds[options.ranks[0]])
    table = Table("ranks", "epochs/s", f"× {options.ranks[0]} rank(s)", "objective", box=None)
    for size, of_rounds in seconds.items():
        best = min(of_rounds)
        table.add_row(str(size), f"{1 / best:.3f}", f"{first / best:.2f}", f"{objectives[size]:.6f}")
    print(f"{describe_machine()}\n{options.data}, batches of {options.batch_size}, SGD, gloo\n")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
