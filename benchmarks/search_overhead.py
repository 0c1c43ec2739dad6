"""What a search costs beside its trials: the start of a command, and a trial that does nothing.

    python benchmarks/search_overhead.py

A trial is measured from its start to its end as the driver sees both, in a worker that has imported torch. Its
peers give the same isolation, a process of its own with torch imported: multiprocessing's fork server, and a new
interpreter.
"""

import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import describe_machine
from rich.console import Console
from rich.table import Table

from dh_project.evaluators.process import ProcessEvaluator
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.events import Ended

RUN = "import torch\ndef run(point):\n    return 0.0\n"


def nothing() -> None:
    """Do nothing, in a process of its own."""


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of an action, after one call that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def command(*words: str) -> Callable[[], object]:
    """Return the action of running this Python with these words."""
    return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)


def worker_trial(folder: Path) -> float:
    """Return the seconds of a trial in a worker."""
    (folder / "nothing.py").write_text(RUN)
    context = RunContext(str(folder / "nothing.py"), {}, str(folder), sys.path)
    with ProcessEvaluator(context, EvaluatorSettings(num_workers=1)) as evaluator:
        numbers = iter(range(1000))

        def trial() -> None:
            number = next(numbers)
            evaluator.start(Assignment(number, 1, {}, str(folder / str(number))))
            while not any(isinstance(event, Ended) for event in evaluator.wait(10)):
                pass

        return median_seconds(trial, 50)


def fork_server_trial() -> float:
    """Return the seconds of a child of multiprocessing's fork server, torch preloaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch"])

    def child() -> None:
        process = context.Process(target=nothing)
        process.start()
        process.join()

    return median_seconds(child, 50)


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            ("deephyper --help", median_seconds(command("-m", "dh_project.cli.main", "--help"), 10)),
            ("  python -c pass", median_seconds(command("-c", "pass"), 10)),
            ("trial that does nothing, after a worker's first", worker_trial(Path(folder))),
            ("  a child of the fork server, torch preloaded", fork_server_trial()),
            ("  a new interpreter that imports torch", median_seconds(command("-c", "import torch"), 5)),
        ]
    table = Table("", "median, ms", title=describe_machine(), box=None)
    for name, seconds in rows:
        table.add_row(name, f"{1000 * seconds:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
