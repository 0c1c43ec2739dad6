"""A journal of 100,000 trials with 50 reports each: time and peak memory of going on with it, and of ``topk``.

    python benchmarks/search/large_journal.py [trials] [another checkout ...]

``hps random`` is started on the journal and may run one more trial, which prints the time at which its run function
is called. The time is from the start of the process to there. The seconds of the processor (fairer on a busy
machine) are those of the whole command, and the memory is its largest resident set. Then ``deephyper-analytics topk
results.csv -k 1`` reads the same folder. Other checkouts of this project are measured in turns with this one. If
their journal is of schema 2, it is written so for them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from zlib import crc32

from histories import identity_of, told, write_files, write_journal
from rich.console import Console
from rich.table import Table

from dh_project.results.journal import encode
from dh_project.results.paths import SearchPaths

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

HERE = Path(__file__).parents[2]
REPORTS = 50


def write_old_journal(folder: Path, trials: int) -> None:
    """Write the journal of schema 2: each line has a checksum of its own."""
    folder.mkdir()
    with SearchPaths(folder).journal.open("wb") as file:
        for record in told(identity_of(folder), trials, REPORTS):
            text = encode(record | {"schema": 2} if "schema" in record else record)[:-2]
            file.write(b'%b,"crc32":"%08x"}\n' % (text, crc32(text + b"}")))


def measured(words: list[str], checkout: Path) -> tuple[float, float, float]:
    """Run a module of a checkout; return its seconds, those of the processor, and its peak memory in GB.

    Raises:
        RuntimeError: It failed.
    """
    began = time.time()
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", *words]
    process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{words} ended with {os.waitstatus_to_exitcode(status)}")
    return time.time() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9


def resume(checkout: Path, folder: Path, trials: int) -> tuple[float, float, float]:
    """Return the seconds from the start of the command to its new trial, those of the processor, and peak memory."""
    problem, run = write_files(folder)
    words = ["dh_project.cli.main", "hps", "random", "--evaluator", "process", "--num-workers", "1"]
    files = ["--problem", str(problem), "--run", str(run), "--log-dir", str(folder)]
    began = time.time()
    _, processor, memory = measured([*words, *files, "--max-evals", str(trials + 1)], checkout)
    return float((SearchPaths(folder).trial(trials, 1) / "log.txt").read_text()) - began, processor, memory


def topk(checkout: Path, folder: Path) -> tuple[float, float, float]:
    """Return the seconds, those of the processor, and the peak memory of ``topk``."""
    return measured(
        ["dh_project.cli.analytics", "topk", str(SearchPaths(folder).results), "-k", "1"], checkout
    )


def has_commits(checkout: Path) -> bool:
    """Return whether a checkout writes journals of schema 3."""
    return "SCHEMA = 3" in (checkout / "dh_project/results/journal.py").read_text()


def main() -> None:
    """Measure and print the table."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    checkouts = [HERE, *map(Path, sys.argv[2:])]
    table = Table("", *(name for c in checkouts for name in (f"{c.name}, s", "processor, s", "GB")), box=None)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folders = {}
        for number, checkout in enumerate(checkouts):
            folder = folders[checkout] = Path(name, str(number))
            write = write_journal if has_commits(checkout) else lambda f, t, _: write_old_journal(f, t)
            write(folder, trials, REPORTS)
        size = max(SearchPaths(folder).journal.stat().st_size for folder in folders.values())
        rows = {
            "hps random: to its first new trial": lambda c: resume(c, folders[c], trials),
            "topk -k 1": lambda c: topk(c, folders[c]),
        }
        for row, action in rows.items():
            cells = [f"{value:.2f}" for checkout in checkouts for value in action(checkout)]
            table.add_row(row, *cells)
        shutil.rmtree(name, ignore_errors=True)
    table.title = (
        f"a journal of {trials:,} trials of {REPORTS} reports ({size / 1e6:.0f} MB); load {load:.1f}\n"
        f"{describe_machine()}"
    )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
