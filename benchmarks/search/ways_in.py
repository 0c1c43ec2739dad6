"""The two ways into the same search: ``dh.search`` in a script, and the command ``deephyper hps``.

    python benchmarks/search/ways_in.py [rounds]

Both run 300 trials of an objective that does nothing, with random search and two workers; their rounds alternate.
Start-up is from the start of the process to the end of the first trial, and trials a second are counted from there to
the end of the last trial. Processor time is that of all processes of the run.

The second table is what a user waits for before anything happens: processor time (user and system) of
``import dh_project`` and ``deephyper --help``, less that of a Python that does nothing.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

TRIALS = 300
PROBLEM = """from dh_project import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0))
"""
RUN = "def run(point):\n    return point['x']\n"
SEARCH = """import dh_project as dh

{problem}
{run}
settings = {{"max_evals": {trials}, "evaluator": "process", "num_workers": 2, "searcher": "random"}}
dh.search(Problem, {function}, folder="search", **settings)
"""
COMMAND = f"""hps random --problem problem.py --run run.py --log-dir search --max-evals {TRIALS}
--evaluator process --num-workers 2"""


def script(function: str) -> str:
    """Return a script that searches with a function of its own, or with one that it names."""
    run = "" if function.startswith("'") else RUN
    return SEARCH.format(problem=PROBLEM, run=run, trials=TRIALS, function=function)


WAYS = {
    "deephyper hps": ["-m", "dh_project.cli.main", *COMMAND.split()],
    "dh.search, run by name": ["named.py"],
    "dh.search, run of the script": ["sent.py"],
}
STARTS = {
    "python -c pass": ["-c", "pass"],
    "import dh_project": ["-c", "import dh_project"],
    "deephyper --help": [str(Path(sys.executable).with_name("deephyper")), "--help"],
}


def processor_seconds() -> float:
    """Return the processor time of all child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_search(words: list[str]) -> tuple[float, float, float]:
    """Run a search; return start-up in s, trials a second, and processor time a trial in ms."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {
            "problem.py": PROBLEM,
            "run.py": RUN,
            "named.py": script("'run.py'"),
            "sent.py": script("run"),
        }.items():
            (Path(folder) / name).write_text(text)
        before, began = processor_seconds(), time.monotonic()
        process = subprocess.Popen([sys.executable, *words], cwd=folder, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ends = [time.monotonic() for line in process.stdout if line.startswith("trial ") and " done " in line]
        assert process.wait() == 0
    assert len(ends) == TRIALS, f"{words}: {len(ends)} trials"
    milliseconds = 1000 * (processor_seconds() - before) / TRIALS
    return ends[0] - began, (TRIALS - 1) / (ends[-1] - ends[0]), milliseconds


def measure_start(words: list[str]) -> float:
    """Start Python; return its processor time in ms."""
    before = processor_seconds()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return 1000 * (processor_seconds() - before)


def main(rounds: int) -> None:
    """Measure all ways in turns, and print the tables."""
    searches: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, words in WAYS.items():
            searches[name].append(measure_search(words))
    title = f"{TRIALS} trials that do nothing, 2 workers; {describe_machine()}"
    table = Table("", box=None)
    for column in ("start-up, s", "trials a second", "processor, ms"):
        table.add_column(column, justify="right")
    for name, measured in searches.items():
        startup, rate, processor = (statistics.median(values) for values in zip(*measured, strict=True))
        table.add_row(name, f"{startup:.2f}", f"{rate:.0f}", f"{processor:.1f}")
    starts: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(10 * rounds):
        for name, words in STARTS.items():
            starts[name].append(measure_start(words))
    least = {name: min(measured) for name, measured in starts.items()}
    bare = least.pop("python -c pass")
    beside = Table("", box=None)
    beside.add_column("processor, ms", justify="right")
    for name, milliseconds in least.items():
        beside.add_row(name, f"{milliseconds - bare:.0f}")
    console = Console(width=110)
    console.print(title)
    console.print(table)
    console.print(f"beyond bare Python ({bare:.0f} ms), least of {10 * rounds}")
    console.print(beside)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
