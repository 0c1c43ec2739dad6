"""Trials a second where the objective does nothing: what a search itself costs, with two workers.

    python -m pip install "ray[tune]" optuna
    python benchmarks/search/throughput.py [rounds]

Every row is a process of its own that prints a line for each trial that ended; this one reads the lines and their
times, and lets the rows take turns. Start-up is from the start of the process to the end of the first trial
(imports, ``ray.init``, workers); trials a second are counted from there to the end of the last trial, so that
start-up is in no row's rate. All search the same four hyperparameters.

The peers stand here twice where they can: as they come, and with the isolation that a trial has in this project,
a process of its own. Ray Tune gives each trial an actor of its own (a process) as it comes, and ``reuse_actors``
takes that away; Optuna calls the objective in its own process as it comes, and here forks a child in the
objective. A row that is too slow runs fewer trials, or in the first round alone.

On a machine that others use too, a rate says little: processor time a trial, user and system, of all processes of
a row, hardly depends on them. It is that of the whole run less that of a run of two trials, which is start-up. Ray
detaches its processes: its rows have no such figure.
"""

import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ray_tune import run_tune
from rich.console import Console
from rich.table import Table
from space import PROBLEM, suggest

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

WORKERS = 2
RUN = "def run(point):\n    return point['dropout']\n"


# ---- peers: each is the main function of a process of its own


def said_end(*_: object) -> None:
    """Say that a trial ended, as Optuna's callback too."""
    os.write(1, b"trial ended\n")


def answer(value: float, sender: Connection) -> None:
    """Be the isolated part of an objective, in a child process."""
    sender.send(value)


def isolated_objective(trial: Any) -> float:
    """Do nothing in a forked child, as an objective would whose trials must not share a process."""
    value = suggest(trial)  # suggestions belong to the process that holds the study
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(value, sender))
    child.start()
    returned: float = receiver.recv()
    child.join()
    return returned


def optuna_study(sampler: str, folder: Path, seed: int) -> Any:
    """Open the study of a journal file."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "TPE": optuna.samplers.TPESampler}
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    return optuna.create_study(
        study_name="nothing",
        storage=storage,
        sampler=samplers[sampler](seed=seed),
        direction="maximize",
        load_if_exists=True,
    )


def optuna_worker(sampler: str, isolated: bool, trials: int, folder: Path, seed: int) -> None:
    """Run a part of the trials, in one of Optuna's processes."""
    objective = isolated_objective if isolated else suggest
    optuna_study(sampler, folder, seed).optimize(objective, n_trials=trials, callbacks=[said_end])


def run_optuna(sampler: str, isolated: bool, trials: int, folder: Path) -> None:
    """Run Optuna in two processes that share a journal file, its advice for processes without a server."""
    optuna_study(sampler, folder, 0)
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=optuna_worker, args=(sampler, isolated, trials // WORKERS, folder, seed))
        for seed in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def run_optuna_in_memory(sampler: str, trials: int) -> None:
    """Run Optuna's three lines: one process, one trial at a time, nothing on disk."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "TPE": optuna.samplers.TPESampler}
    study = optuna.create_study(sampler=samplers[sampler](seed=0), direction="maximize")
    study.optimize(suggest, n_trials=trials, callbacks=[said_end])


def tune_trial(config: dict[str, Any]) -> dict[str, float]:
    """Do nothing, under Ray Tune."""
    return {"score": config["dropout"]}


def search_with_tune(search: str, reuse_actors: bool, trials: int, folder: Path) -> None:
    """Run Ray Tune, with random points or Optuna's."""
    from ray.tune.search.optuna import OptunaSearch

    algorithm = OptunaSearch(seed=0) if search == "Optuna" else None
    run_tune(tune_trial, WORKERS, trials, folder, reuse_actors, algorithm, said_end)


PEERS: dict[str, Callable[[int, Path], None]] = {
    "Optuna random, in memory": lambda trials, folder: run_optuna_in_memory("random", trials),
    "Optuna TPE, in memory": lambda trials, folder: run_optuna_in_memory("TPE", trials),
    "Optuna random": lambda trials, folder: run_optuna("random", False, trials, folder),
    "Optuna random, isolated": lambda trials, folder: run_optuna("random", True, trials, folder),
    "Optuna TPE": lambda trials, folder: run_optuna("TPE", False, trials, folder),
    "Optuna TPE, isolated": lambda trials, folder: run_optuna("TPE", True, trials, folder),
    "Ray Tune random, reuse_actors": lambda trials, folder: search_with_tune("random", True, trials, folder),
    "Ray Tune random": lambda trials, folder: search_with_tune("random", False, trials, folder),
    "Ray Tune Optuna search, reuse_actors": lambda trials, folder: search_with_tune(
        "Optuna", True, trials, folder
    ),
    "Ray Tune Optuna search": lambda trials, folder: search_with_tune("Optuna", False, trials, folder),
}


# ---- the measurement


@dataclass(frozen=True)
class Row:
    """One way to search.

    Attributes:
        name: What the table calls it.
        trials: How many it runs.
        isolation: What a trial shares with others.
        durable: What is on disk when a trial's end is told.
        is_slow: Whether it runs in the first round alone.
        is_detached: Whether its processes are not its children, so that their time is not known.
    """

    name: str
    trials: int
    isolation: str
    durable: str
    is_slow: bool = False
    is_detached: bool = False

    def command(self, folder: Path) -> list[str]:
        """Return the command line of its process."""
        if self.name in PEERS:
            return [sys.executable, __file__, self.name, str(self.trials), str(folder)]
        searcher, evaluator = self.name.removeprefix("this project, ").split(", ")
        (folder / "problem.py").write_text(PROBLEM)
        (folder / "nothing.py").write_text(RUN)
        words = f"-m dh_project.cli.main hps {searcher} --evaluator {evaluator} --num-workers {WORKERS}"
        files = ["--problem", str(folder / "problem.py"), "--run", str(folder / "nothing.py")]
        limits = ["--max-evals", str(self.trials), "--log-dir", str(folder / "search")]
        return [sys.executable, *words.split(), *files, *limits]


OWN = "a process a trial"
SHARED = "none"
FSYNC = "fsynced: start, end"
OPTUNA_FSYNC = "fsynced: each value"
FILES = "not fsynced"

ROWS = (
    Row("this project, random, process", 500, OWN, FSYNC),
    Row("this project, ambs, process", 500, OWN, FSYNC, True),
    Row("this project, random, ray", 500, OWN, FSYNC, is_detached=True),
    Row("Optuna random, isolated", 500, OWN, OPTUNA_FSYNC),
    Row("Optuna TPE, isolated", 500, OWN, OPTUNA_FSYNC),
    Row("Optuna random", 500, SHARED, OPTUNA_FSYNC),
    Row("Optuna TPE", 500, SHARED, OPTUNA_FSYNC),
    Row("Optuna random, in memory", 500, SHARED, "nothing"),
    Row("Optuna TPE, in memory", 500, SHARED, "nothing"),
    Row("Ray Tune random", 20, OWN, FILES, True, True),
    Row("Ray Tune Optuna search", 20, OWN, FILES, True, True),
    Row("Ray Tune random, reuse_actors", 100, "an actor for all", FILES, True, True),
    Row("Ray Tune Optuna search, reuse_actors", 100, "an actor for all", FILES, True, True),
)


@dataclass(frozen=True)
class Run:
    """What one run of a row took: start-up in seconds, trials a second, seconds of processor time in all."""

    start_up: float
    rate: float
    processor: float


def measure(row: Row) -> Run:
    """Run a row once.

    Raises:
        RuntimeError: It did not end all of its trials.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with (folder / "said").open("w") as said:
            process = subprocess.Popen(
                row.command(folder), stdout=subprocess.PIPE, stderr=said, text=True, cwd=folder
            )
            assert process.stdout is not None
            ends = [time.perf_counter() for line in process.stdout if line.startswith("trial ")]
        status, after = process.wait(), resource.getrusage(resource.RUSAGE_CHILDREN)
        if status or len(ends) < row.trials:
            last = "\n".join((folder / "said").read_text().splitlines()[-15:])
            raise RuntimeError(f"{row.name}: {len(ends)} trials, exit status {status}\n{last}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(ends[0] - began, (len(ends) - 1) / max(1e-9, ends[-1] - ends[0]), processor)


def main() -> None:
    """Measure and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    runs: dict[str, list[Run]] = {row.name: [] for row in ROWS}
    processor: dict[str, list[float]] = {row.name: [] for row in ROWS}
    for number in range(rounds):
        for row in ROWS:
            if number and row.is_slow:
                continue
            run = measure(row)
            runs[row.name].append(run)
            if not row.is_detached:
                start = measure(replace(row, trials=WORKERS)).processor
                processor[row.name].append((run.processor - start) / (row.trials - WORKERS))
            print(f"round {number + 1}, {row.name}: {run}", file=sys.stderr)
    table = Table(box=None)
    for column in ("", "isolation", "on disk at its end"):
        table.add_column(column)
    for column in ("trials", "start-up, s", "trials a second", "slowest to fastest", "processor, ms"):
        table.add_column(column, justify="right")
    for row in ROWS:
        rates = [run.rate for run in runs[row.name]]
        cost = processor[row.name]
        table.add_row(
            row.name,
            row.isolation,
            row.durable,
            str(row.trials),
            f"{statistics.median(run.start_up for run in runs[row.name]):.1f}",
            f"{statistics.median(rates):.4g}",
            f"{min(rates):.3g} to {max(rates):.4g}" if len(rates) > 1 else "–",
            f"{1000 * statistics.median(cost):.3g}" if cost else "–",
        )
    table.title = f"an objective that does nothing, {WORKERS} workers; {describe_machine()}"
    Console(width=150).print(table)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in PEERS:
        PEERS[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
