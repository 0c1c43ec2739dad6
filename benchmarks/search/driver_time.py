"""Driver time a result, and where it goes, in searches that have 100 to 10,000 results already.

    python -m pip install optuna
    python benchmarks/search/driver_time.py [folder on the disk to be measured]
    python benchmarks/search/driver_time.py --against CHECKOUT [rounds]

A journal of as many trials is written, and a real search goes on from it, with an evaluator whose trials end at
once. The driver's time of an event is from the return of the evaluator's ``wait`` to the next call of it. Inside
it, the parts are timed where they stand: proposing, the journal (encode, append, fsync), results.csv, and the
rest, which is the loop's own bookkeeping. results.csv is written after every event here (a search writes it at
most once a second), and is left out of a report's time. Beside the journal stands what the same bytes cost
alone, appended to another file and fsynced, in turns with the journal. Proposals of ``ambs``, which a search
makes in a thread while its workers are busy, are timed by themselves. The peer is Optuna with its journal file:
``ask`` with the same hyperparameters suggested, and ``tell``, in a study with as many trials.

With ``--against``, only the commits to the journal are timed, in turns with those of another checkout.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histories import make_problem, write_journal, write_optuna_journal
from rich.console import Console
from rich.table import Table
from space import suggest

from dh_project.evaluators.base import Evaluator
from dh_project.hps.limits import Limits
from dh_project.hps.loop import Search
from dh_project.hps.observer import Observer
from dh_project.hps.searchers import create_searcher
from dh_project.results import csv_file as results_file
from dh_project.results.csv_file import ResultsFile
from dh_project.results.history import History
from dh_project.results.journal_writer import Journal
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment
from dh_project.trial.events import Ended, Event, Reported
from dh_project.trial.trial import State

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

SIZES = (100, 1_000, 5_000, 10_000)
WORKERS = 2
RESULTS = 100
"""How many results each search goes on for."""
PROPOSALS = 10
REPORTS = 3

PARTS: dict[str, list[tuple[Any, str]]] = {
    "journal": [(Journal, "append"), (Journal, "commit")],
    "results.csv": [(ResultsFile, "write")],
}
"""What is timed, by the functions that do it; proposing is timed on the searcher's own class."""


@dataclass
class Clock:
    """Adds up the seconds of each part, and notes the driver's time of each event."""

    real: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    turns: list[tuple[type[Event], float, dict[str, float]]] = field(default_factory=list)

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time added to a part."""

        def timed(*arguments: Any, **named: Any) -> Any:
            started = self.real()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[part] += self.real() - started

        return timed


@contextmanager
def timing(clock: Clock, parts: dict[str, list[tuple[Any, str]]]) -> Iterator[None]:
    """Time functions meanwhile, each of an owner and by its name, under their part's."""
    before = [(owner, name, getattr(owner, name)) for places in parts.values() for owner, name in places]
    try:
        for part, places in parts.items():
            for owner, name in places:
                setattr(owner, name, clock.around(part, getattr(owner, name)))
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


class AtOnce(Evaluator):
    """Trials that report and end when they are waited for; one event a call."""

    num_workers = WORKERS

    def __init__(self, clock: Clock, folder: Path) -> None:
        self.clock, self.events = clock, deque[Event]()
        self._journal, self._beside = folder / "journal.jsonl", (folder / "beside").open("ab", buffering=0)
        self._seen = self._journal.stat().st_size
        self.told: type[Event] | None = None
        self.told_at = 0.0

    def start(self, assignment: Assignment) -> None:
        """Have the trial's events ready."""
        trial, attempt, objective = assignment.trial, assignment.attempt, assignment.point["dropout"]
        self.events += [Reported(trial, attempt, step, objective) for step in range(1, REPORTS + 1)]
        facts = {"seed": trial, "epochs": 10, "test_mae": objective}
        self.events.append(Ended(trial, attempt, State.DONE, objective, facts=facts, worker="host:1"))

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return one event, and note what the driver did since the last."""
        if self.told is not None:
            taken = time.perf_counter() - self.told_at
            self.clock.turns.append((self.told, taken, dict(self.clock.seconds)))
            self._append_alone()
        self.clock.seconds.clear()
        if not self.events:
            self.told = None
            return []
        event = self.events.popleft()
        self.told, self.told_at = type(event), time.perf_counter()
        return [event]

    def _append_alone(self) -> None:
        """Append what the journal has just got to another file, fsynced, and note how long it took."""
        with self._journal.open("rb") as file:
            file.seek(self._seen)
            lines = file.read()
        self._seen += len(lines)
        started = time.perf_counter()
        self._beside.write(lines)
        os.fsync(self._beside.fileno())
        self.clock.turns[-1][2]["alone"] = time.perf_counter() - started

    def kill(self, trial: int, state: State, reason: str, patience: float = 0.0) -> None:
        """Do nothing: they have ended."""

    def stop(self, trial: int, after: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the file."""
        self._beside.close()


def search_on(folder: Path, size: int) -> Clock:
    """Go on with a random search of so many results, and return where its driver's time went."""
    identity = write_journal(folder, size, REPORTS)
    problem, clock = make_problem(), Clock()
    proposer = create_searcher("random", problem, identity.seed)
    timed = {"proposing": [(proposer, "propose")], **PARTS}
    results_file.SECONDS, results_file.SHARE = 0.0, float("inf")
    with timing(clock, timed):
        limits = Limits(max_evals=size + RESULTS)
        with AtOnce(clock, folder) as evaluator:
            Search(SearchPaths(folder), identity, problem, proposer, evaluator, limits, Observer()).run()
    return clock


def proposal_times(folder: Path, count: int) -> float:
    """Return the median milliseconds of a call for so many proposals of ambs, told all trials of a journal."""
    ended, searcher = History.read(folder).ended, create_searcher("ambs", make_problem(), 0)
    times = []
    for number in range(PROPOSALS):
        started = time.perf_counter()
        searcher.propose(number, count, ended, [])
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def median_of(clock: Clock, kind: type[Event], part: str | None = None) -> float:
    """Return the median milliseconds of one part, or of all, in the driver's time of one kind of event."""
    kept = [(taken, parts) for told, taken, parts in clock.turns if told is kind]
    return 1000 * statistics.median(parts.get(part, 0.0) if part else taken for taken, parts in kept)


def optuna_times(folder: Path, size: int, sampler: str) -> tuple[float, float]:
    """Return the median milliseconds of Optuna's ask and tell, in a study of so many trials."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    path = folder / "optuna.log"
    if not path.exists():
        write_optuna_journal(path, size, REPORTS)
    samplers: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "TPE": optuna.samplers.TPESampler}
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="nothing", storage=storage, sampler=samplers[sampler](seed=0))
    asked, told = [], []
    for _ in range(20):
        started = time.perf_counter()
        trial = study.ask()
        value = suggest(trial)
        asked.append(time.perf_counter() - started)
        started = time.perf_counter()
        study.tell(trial, value)
        told.append(time.perf_counter() - started)
    return 1000 * statistics.median(asked), 1000 * statistics.median(told)


def measure(folder: Path, size: int) -> dict[str, float]:
    """Return the rows' milliseconds at one size."""
    clock = search_on(folder / "search", size)
    parts = {part: median_of(clock, Ended, part) for part in ("proposing", *PARTS)}
    ask, tell = optuna_times(folder, size, "random")
    ask_model, _ = optuna_times(folder, size, "TPE")
    return {
        "a result, random, in all": median_of(clock, Ended),
        "  proposing": parts["proposing"],
        "  journal: an end and a start, one fsync": parts["journal"],
        "    the same bytes, appended and fsynced alone": median_of(clock, Ended, "alone"),
        "  results.csv": parts["results.csv"],
        "  bookkeeping": median_of(clock, Ended) - sum(parts.values()),
        "journal and results.csv": parts["journal"] + parts["results.csv"],
        "a report, in all": median_of(clock, Reported) - median_of(clock, Reported, "results.csv"),
        "ambs, in a thread: one proposal": proposal_times(folder / "search", 1),
        "  16 proposals": proposal_times(folder / "search", 16),
        "Optuna random, journal file: ask and suggest": ask,
        "Optuna TPE, journal file: ask and suggest": ask_model,
        "Optuna, journal file: tell": tell,
    }


COMMITS = """\
import sys, tempfile
sys.path.insert(0, "benchmarks/search")
from pathlib import Path
from driver_time import Ended, Reported, median_of, search_on
with tempfile.TemporaryDirectory() as folder:
    clock = search_on(Path(folder, "search"), 1000)
print(*(median_of(clock, kind, part) for kind in (Ended, Reported) for part in ("journal", "alone")))
"""
"""Prints the milliseconds of a commit with an end and a start, and of one with a report; each also written alone."""


def compare_commits(checkouts: list[Path], rounds: int) -> None:
    """Print the time of commits in several checkouts, measured in turns."""
    found: dict[Path, list[list[float]]] = {checkout: [] for checkout in checkouts}
    for _ in range(rounds):
        for checkout in checkouts:
            said = subprocess.run(
                [sys.executable, "-c", COMMITS],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout)},
                capture_output=True,
                text=True,
                check=True,
            )
            found[checkout].append([float(number) for number in said.stdout.split()[-4:]])
    rows = ("an end and a start", "  the same bytes alone", "a report", "  the same bytes alone")
    table = Table("milliseconds of a commit", *(checkout.name for checkout in checkouts), box=None)
    for number, name in enumerate(rows):
        medians = (statistics.median(line[number] for line in lines) for lines in found.values())
        table.add_row(name, *(f"{median:.3f}" for median in medians))
    table.title = f"{rounds} rounds, load {os.getloadavg()[0]:.1f}; {describe_machine()}"
    Console(width=110).print(table)


def main() -> None:
    """Measure and print the table."""
    if "--against" in sys.argv:
        rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
        compare_commits([Path(__file__).parents[2], Path(sys.argv[2])], rounds)
        return
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    columns = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir=where) as folder:
            columns[size] = measure(Path(folder), size)
    table = Table("milliseconds at so many results", *(f"{size:,}" for size in SIZES), box=None)
    for name in columns[SIZES[0]]:
        table.add_row(name, *(f"{columns[size][name]:.2f}" for size in SIZES))
    table.title = f"driver time; {describe_machine()}"
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
