"""From a trial's end to the start of its slot's next one: trials as jobs of Balsam, and the ``process`` evaluator.

    source DIR/activate                    # a folder of balsam-init; else a temporary one is made
    python benchmarks/balsam/turnaround.py [rounds]

Each row is a search of its own with random proposals and as many slots as this machine's site has: by ``deephyper
balsam-submit``, whose driver is a job beside its trials in the batch job of a real launcher, in serial and in mpi
mode; and by ``deephyper hps --evaluator process``. A trial's run function notes the time, sleeps, and notes it again.
The rows take turns.

Who sleeps does not know its slot. With n slots, the first n starts are set aside, and the k-th of the others in time
is taken for what follows the k-th end: the slot that is free the longest is filled first. The mean does not depend on
that. Trials an hour follow from the mean time from one start to the n-th after it. For jobs the time is divided: up
to the start of the next job's process, which is Balsam's (its end, told to the launcher, and the next taken), and
from there to the run function (the interpreter, the worker, and the fork).
"""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from balsam_folder import balsam_folder, tell
from rich.console import Console
from rich.table import Table

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BatchState
from dh_project.hpc.balsam.client.tags import WORKFLOW
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Installation
from dh_project.hpc.balsam.jobs.packing import MPI, SERIAL, pack
from dh_project.trial.shape import TrialShape

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

PROBLEM = """\
from dh_project import HpProblem
Problem = HpProblem()
Problem.add_dim("x", (0.0, 1.0))
"""

RUN = """\
import time
import psutil
from dh_project import record

def run(point, seconds):
    began = time.time()
    above = psutil.Process().parents()
    job = next((each for each in above if "dh_project.hpc.balsam.jobs.trial_job" in " ".join(each.cmdline())), None)
    time.sleep(began + seconds - time.time())
    ended = time.time()
    # psutil counts from a start of the machine that is rounded to a second
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (job.create_time() - psutil.boot_time()) if job else 0.0
    record(job=time.time() - age if job else began, began=began, ended=ended)
    return point["x"]
"""

PROCESS = "process"

TRIALS = {1: 30, 10: 12}
"""How many trials of so many seconds."""


@dataclass(frozen=True)
class Trial:
    """When a trial's job was started, when it began, and when it ended, in seconds since 1970."""

    job: float
    began: float
    ended: float


def search_here(folder: Path, options: list[str], slots: int) -> Path:
    """Run a search with the process evaluator and return its folder."""
    own = folder / uuid4().hex[:8]
    words = ["hps", "random", "--evaluator", "process", "--num-workers", str(slots), "--log-dir", str(own)]
    subprocess.run(command(*words, *options), check=True, stdout=subprocess.DEVNULL)
    return own


def search_as_jobs(installation: Installation, mode: str, options: list[str], slots: int) -> Path:
    """Run a search by jobs, end its batch job, and return its folder."""
    workflow = f"bench-{uuid4().hex[:8]}"
    words = ["balsam-submit", "hps", workflow, "--searcher", "random", "-j", mode, "-q", "local", "-n", "1"]
    place = ["-A", "local", "-t", "30", "--num-evals-per-node", str(slots), "--wait"]
    subprocess.run(command(*words, *place, *options), check=True, stdout=subprocess.DEVNULL)
    with BalsamClient.of(installation) as client:
        for batch in client.batch_jobs(tags={WORKFLOW: workflow}):
            if batch.state.is_ahead:
                client.delete_batch_job(batch.id)
        while any(
            batch.state is not BatchState.FINISHED for batch in client.batch_jobs(tags={WORKFLOW: workflow})
        ):
            time.sleep(0.5)
    [folder] = (installation.data / workflow).glob(f"{workflow}_*")
    return folder


def command(*words: str) -> list[str]:
    """Return the command line of ``deephyper`` with these words."""
    return [sys.executable, "-m", "dh_project.cli.main", *words]


def read_trials(folder: Path) -> list[Trial]:
    """Return the trials of a search."""
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [Trial(float(row["m:job"]), float(row["m:began"]), float(row["m:ended"])) for row in rows]


@dataclass
class Row:
    """A way to run trials of a length, and what was seen of it."""

    name: str
    seconds: int
    slots: int
    waits: list[float]
    launches: list[float]
    starts: list[float]
    cycles: list[float]

    def add(self, trials: list[Trial]) -> None:
        """Add a search."""
        in_order = sorted(trials, key=lambda trial: trial.began)
        ends = sorted(trial.ended for trial in trials)
        for end, first, trial in zip(ends, in_order, in_order[self.slots :], strict=False):
            self.waits.append(trial.began - end)
            self.launches.append(trial.job - end)
            self.starts.append(trial.began - trial.job)
            self.cycles.append(trial.began - first.began)

    def cells(self) -> list[str]:
        """Return what the table shows."""
        an_hour = 3600 * self.slots / statistics.mean(self.cycles)
        parts = [self.launches, self.starts] if self.name != PROCESS else []
        return [
            f"{self.seconds} s",
            str(len(self.waits)),
            f"{statistics.median(self.waits):.3f}",
            f"{statistics.quantiles(self.waits, n=10)[-1]:.3f}",
            *(f"{statistics.median(part):.2f}" for part in parts),
            *["–"] * (2 - len(parts)),
            f"{an_hour:,.0f}",
            f"{100 * self.seconds * an_hour / 3600 / self.slots:.0f} %",
        ]


def main() -> None:
    """Measure and print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with balsam_folder() as installation, tempfile.TemporaryDirectory() as name:
        os.environ[FOLDER_VARIABLE] = str(installation.folder)
        folder = Path(name)
        (folder / "problem.py").write_text(PROBLEM)
        (folder / "sleeps.py").write_text(RUN)
        slots = pack(installation.describe().node, 1, SERIAL, TrialShape(cores=None)).slots
        rows = [
            Row(way, seconds, slots, [], [], [], [])
            for seconds in TRIALS
            for way in (PROCESS, f"balsam, {SERIAL}", f"balsam, {MPI}")
        ]
        for row in rows * rounds:
            tell(f"{row.name}: {TRIALS[row.seconds]} trials of {row.seconds} s")
            options = ["--problem", str(folder / "problem.py"), "--run", str(folder / "sleeps.py")]
            options += ["--max-evals", str(TRIALS[row.seconds]), "--run-kwargs", f"seconds={row.seconds}"]
            if row.name == PROCESS:
                found = search_here(folder, options, slots)
            else:
                found = search_as_jobs(installation, row.name.split()[-1], options, slots)
            row.add(read_trials(found))
            tell(str(row.cells()))
    table = Table(title=f"random search, {slots} slots; {describe_machine()}", box=None)
    table.add_column("")
    for column in (
        "trials of",
        "seen",
        "s to the\nnext, median",
        "90 %",
        "of it\nlaunch",
        "start",
        "trials\nan hour",
        "slots\nbusy",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row.name, *row.cells())
    Console(width=118).print(table)


if __name__ == "__main__":
    main()
