"""Trials a second and idle share of each evaluator, at 2, 4 and 8 workers, with trials of 0, 1 and 10 s.

    python benchmarks/clusters/evaluators.py [carriers …] [--workers 2 4 8] [--seconds 0 1 10]

The peers are DeepHyper's own ``ray`` and ``mpicomm`` evaluators with its random search, and Ray Tune with its
defaults and with ``reuse_actors``. All use random points of the same space, so that only the evaluators differ. A
trial sleeps, so that a worker needs no core of its own, and writes its start and end to a file.

- Start-up: from the start of the command to the start of its first trial. No other column includes it.
- Trials per second: counted from the start of the first trial to the last end.
- Idle share: the part of the same time that workers did not spend in trials. It includes the gaps, and the time
between
  the first trials of the first and the last worker.
- Gap: mean time from a trial's end to the start of the next one in its place.
- Ratio: the rate of this project's evaluator of the same kind to the peer's: ``mpi`` to ``mpicomm``, ``ray`` to all
  peers on Ray.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from carriers import CARRIERS, SAID, Carrier
from resting import trials_in
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

ROUNDS = {1.0: 4, 10.0: 2}
"""Trials per worker by their length in seconds; two for other lengths."""

LIMIT_SECONDS = 120.0
"""Seconds by which a search may exceed the time of its trials before it is ended."""


@dataclass(frozen=True)
class Run:
    """Result of a search: start-up and mean gap in seconds, trials per second, idle share; or why it failed."""

    start_up: float = math.nan
    rate: float = math.nan
    idle: float = math.nan
    gap: float = math.nan
    failure: str = ""


def trials_of(carrier: Carrier, workers: int, seconds: float) -> int:
    """Return the number of trials of a search."""
    return ROUNDS.get(seconds, 2) * workers if seconds else carrier.most


def measure(carrier: Carrier, workers: int, seconds: float) -> Run:
    """Run a search in processes of its own."""
    trials = trials_of(carrier, workers, seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        with (folder / "output").open("w") as output:
            process = subprocess.Popen(
                carrier.command(workers, trials, seconds, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,
            )
        failure = ""
        try:
            if process.wait(trials * seconds / workers + LIMIT_SECONDS) != 0:
                failure = "failed"
        except subprocess.TimeoutExpired:
            failure = "hung"
        finally:
            end(process)
        ran = trials_in(folder / SAID)
        if failure or len(ran) != trials:
            said = [line for line in (folder / "output").read_text().splitlines() if line.strip()]
            print("\n".join(said[-15:]), file=sys.stderr)
            return Run(failure=f"{failure or 'ended'} after {len(ran)} of {trials} trials")
    return summary(began, workers, ran)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a running command and the processes that it started, by force if necessary."""
    for number in (signal.SIGTERM, signal.SIGKILL) if process.poll() is None else ():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)


def summary(began: float, workers: int, ran: list[tuple[float, float]]) -> Run:
    """Return the result of a search from the starts and ends of its trials."""
    starts, ends = sorted(start for start, _ in ran), sorted(end for _, end in ran)
    span = ends[-1] - starts[0]
    busy = sum(end - start for start, end in ran)
    # The order in which ends and starts are paired does not change the mean.
    gaps = [start - end for start, end in zip(starts[workers:], ends, strict=False)]
    return Run(
        starts[0] - began,
        len(ran) / span,
        1 - busy / (workers * span),
        sum(gaps) / len(gaps) if gaps else math.nan,
    )


def table_of(seconds: float, workers: list[int], runs: dict[tuple[str, int], Run], keys: list[str]) -> Table:
    """Return the table of one length of trials."""
    counts = "200 trials" if not seconds else f"{ROUNDS.get(seconds, 2)} trials a worker"
    table = Table(
        box=None, title=f"trials of {seconds:g} s, {counts}; workers: {', '.join(map(str, workers))}"
    )
    table.add_column("")
    table.add_column("a trial's process")
    for column in ("trials a second", "ratio", "idle, %", "gap, ms", "start-up, s"):
        for number in workers:
            table.add_column(
                f"{column}\n{number}" if number == workers[0] else f"\n{number}", justify="right"
            )
    for carrier in CARRIERS:
        if carrier.key not in keys:
            continue
        row = [runs[carrier.key, number] for number in workers]
        ours = [runs.get((carrier.against, number), Run()) for number in workers]
        table.add_row(
            carrier.name,
            carrier.process,
            *(shown(run.rate, 3) for run in row),
            *(shown(our.rate / run.rate, 3) for our, run in zip(ours, row, strict=True)),
            *(shown(100 * run.idle if seconds else math.nan, 2) for run in row),
            *(shown(1000 * run.gap, 2) for run in row),
            *(shown(run.start_up, 2) for run in row),
        )
        for number, run in zip(workers, row, strict=True):
            if run.failure:
                table.add_row(f"  with {number} workers", run.failure)
    return table


def shown(value: float, digits: int) -> str:
    """Return a number in so many digits, or a dash."""
    return "–" if math.isnan(value) else f"{float(f'{value:.{digits}g}'):g}"


def main() -> None:
    """Measure and print the tables."""
    known = [carrier.key for carrier in CARRIERS]
    parser = argparse.ArgumentParser(description="Measure evaluators.")
    parser.add_argument("carriers", nargs="*", metavar="CARRIER", help=f"{', '.join(known)} (all)")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.0, 1.0, 10.0])
    arguments = parser.parse_args()
    keys = arguments.carriers or known
    if unknown := set(keys) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: unknown; known are {', '.join(known)}")
    console = Console(width=150)
    versions = ", ".join(f"{name} {version(name)}" for name in ("deephyper", "ray", "mpi4py", "mpich"))
    console.print(f"{describe_machine()}; {versions}; load before {os.getloadavg()[0]:.1f}", soft_wrap=True)
    for seconds in arguments.seconds:
        runs = {}
        for workers in arguments.workers:
            for carrier in CARRIERS:
                if carrier.key in keys:
                    runs[carrier.key, workers] = run = measure(carrier, workers, seconds)
                    print(f"{seconds:g} s, {workers} workers, {carrier.name}: {run}", file=sys.stderr)
        console.print(table_of(seconds, arguments.workers, runs, keys))


if __name__ == "__main__":
    main()
