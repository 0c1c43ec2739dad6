"""Going on with a search of 10,000 trials, three reports each: how long until its first new trial begins.

    python -m pip install optuna
    python benchmarks/search/resume.py [rounds]

The real command is started on a journal of as many trials, and may run one more. The new trial prints
the time at which its run function is called: what is counted is from the start of the process to there. Beside it
stands the same on a journal of no trials, which is what the command costs without a history, and the reading of
the journal alone. The peer is Optuna with the same trials in its journal file (every operation that it would have
written), in turns with ours: from the start of a process to the call of the objective of its next trial, with the
random sampler as with ours; and ``load_study`` and ``study.trials`` alone.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from histories import write_files, write_journal, write_optuna_journal
from rich.console import Console
from rich.table import Table

from dh_project.results.history import History
from dh_project.results.paths import SearchPaths

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

TRIALS, REPORTS = 10_000, 3

OPTUNA = """\
import sys, time
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage
sys.path.append(sys.argv[1])
from space import suggest
optuna.logging.set_verbosity(optuna.logging.ERROR)
def objective(trial):
    print(time.time())
    return suggest(trial)
started = time.perf_counter()
storage = JournalStorage(JournalFileBackend(sys.argv[2]))
study = optuna.load_study(study_name="nothing", storage=storage, sampler=optuna.samplers.RandomSampler(seed=1))
if sys.argv[3] == "read":
    assert len(study.trials) == int(sys.argv[4])
    print(time.perf_counter() - started)
else:
    study.optimize(objective, n_trials=1)
"""

READ = """\
import sys, time
from pathlib import Path
from dh_project.results.history import History
started = time.perf_counter()
assert len(History.read(Path(sys.argv[1])).ended) == int(sys.argv[2])
print(time.perf_counter() - started)
"""


def said(words: list[str]) -> float:
    """Run Python with these words; return the number that it printed.

    Raises:
        RuntimeError: It failed.
    """
    process = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(process.stderr)
    return float(process.stdout.split()[-1])


def resume(folder: Path, trials: int) -> float:
    """Return the seconds from the start of the command to its first new trial."""
    write_journal(folder, trials, REPORTS)
    problem, run = write_files(folder)
    words = ["-m", "dh_project.cli.main", "hps", "random", "--evaluator", "process", "--num-workers", "2"]
    files = ["--problem", str(problem), "--run", str(run), "--log-dir", str(folder)]
    began = time.time()
    process = subprocess.run(
        [sys.executable, *words, *files, "--max-evals", str(trials + 1)], capture_output=True, text=True
    )
    if process.returncode:
        raise RuntimeError(process.stderr)
    assert len(History.read(folder).ended) == trials + 1
    return float((SearchPaths(folder).trial(trials, 1) / "log.txt").read_text()) - began


def resume_optuna(journal: Path, content: bytes) -> float:
    """Return the seconds from the start of a process to the next trial of a study of this content."""
    journal.write_bytes(content)
    began = time.time()
    return said(["-c", OPTUNA, str(Path(__file__).parent), str(journal), "go on"]) - began


def main() -> None:
    """Measure and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, here = Path(name), str(Path(__file__).parent)
        write_journal(folder / "read", TRIALS, REPORTS)
        size = SearchPaths(folder / "read").journal.stat().st_size / 2**20
        optuna_journals = {count: folder / f"optuna-{count}.log" for count in (0, TRIALS)}
        for count, path in optuna_journals.items():
            write_optuna_journal(path, count, REPORTS)
        empty, full = (path.read_bytes() for path in optuna_journals.values())
        read = ["-c", READ, str(folder / "read"), str(TRIALS)]
        read_optuna = ["-c", OPTUNA, here, str(optuna_journals[TRIALS]), "read", str(TRIALS)]
        for number in range(rounds):
            actions = {
                "hps random: to its first new trial": partial(resume, folder / f"full-{number}", TRIALS),
                "  a search with no trial before": partial(resume, folder / f"empty-{number}", 0),
                "  reading the journal, alone": partial(said, read),
                "Optuna: to its next trial": partial(resume_optuna, folder / "copy.log", full),
                "  a study with no trial before": partial(resume_optuna, folder / "copy.log", empty),
                "  load_study and study.trials, alone": partial(said, read_optuna),
            }
            for row, action in actions.items():
                seconds.setdefault(row, []).append(action())
    table = Table("", "median, s", "slowest, s", box=None)
    for row, values in seconds.items():
        table.add_row(row, f"{statistics.median(values):.2f}", f"{max(values):.2f}")
    table.title = (
        f"going on with {TRIALS:,} trials of {REPORTS} reports "
        f"(journal {size:.1f} MiB, Optuna's {len(full) / 2**20:.1f} MiB)\n"
        f"{describe_machine()}"
    )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
