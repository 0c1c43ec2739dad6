"""Searches at a real site, submitted as users do: a process for each command, and the results of the search."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psutil

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE
from dh_project.results.history import History
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths

SAMPLES = Path(__file__).parents[2] / "samples"

SMALL = ("-p", SAMPLES / "small_problem.py", "-r", SAMPLES / "small_run.py")
"""A run function that sleeps for ``seconds`` and returns ``-abs(x - 3) * scale``."""

CGCNN = ("-p", "dh_project.cgcnn_mp.problem.Problem", "-r", "dh_project.cgcnn_mp.model_run.run")

LONGEST = 240.0
"""Time limit in seconds; a search of these tests that takes longer is stuck."""


def environment_of(installation):
    """Return the environment of this process, with the variables that ``activate`` sets."""
    return {
        **os.environ,
        FOLDER_VARIABLE: str(installation.folder),
        "BALSAM_CLIENT_PATH": str(installation.token_file),
        "BALSAM_SITE_PATH": str(installation.site),
        "OMP_NUM_THREADS": "1",
    }


def deephyper(installation, *words, wanted=0, cwd=None):
    """Run a command of ``deephyper`` and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "dh_project.cli.main", *map(str, words)],
        env=environment_of(installation),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == wanted, done.stdout + done.stderr
    return done.stdout + done.stderr


def words(process):
    """Return a process's command line; empty if it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class SubmittedSearch:
    """A search as ``balsam-submit`` submits it."""

    def __init__(self, installation, workflow, *options, what=SMALL, job_mode="serial", minutes=20):
        self.installation, self.what = installation, what
        self.workflow = f"{workflow}_{uuid4().hex[:6]}"
        self.client = BalsamClient.of(installation)
        self.said = self.submit(
            "-t", minutes, "-j", job_mode, "-q", "local", "-n", 1, "-A", "local", *options
        )
        self.folder = Path(re.search(r"will run at: (\S+)", self.said)[1])
        self.paths = SearchPaths(self.folder)

    def submit(self, *options):
        return deephyper(
            self.installation, "balsam-submit", "hps", self.workflow, *self.what, *options, cwd=SAMPLES
        )

    def history(self):
        """Return the history of the search so far."""
        return History.replay(scan(self.paths.journal)[0])

    def jobs(self, kind="trial"):
        """Return the search's jobs from the server."""
        return self.client.jobs(tags={"workflow": self.workflow, "kind": kind})

    def batch_jobs(self):
        return self.client.batch_jobs(tags={"workflow": self.workflow})

    def wait_for(self, is_so, what):
        """Wait until a condition is true; fail with the states of all jobs if it never is."""
        limit = time.monotonic() + LONGEST
        while not is_so():
            assert time.monotonic() < limit, f"{what} never came; {self.state()}"
            time.sleep(0.3)

    def wait_for_ends(self, count):
        self.wait_for(lambda: len(self.history().ended) >= count, f"the end of {count} trials")

    def wait_until_over(self):
        """Wait until the driver has written that the search is over, and return the history."""
        self.wait_for((self.folder / "over").exists, "the end of the search")
        return self.history()

    def state(self):
        output = self.folder / "job.out"
        return [
            [(job.id, job.state, job.tags.get("number"), (job.data or {}).get("end")) for job in self.jobs()],
            [(job.id, job.state) for job in self.jobs("search")],
            [(batch.id, batch.state) for batch in self.batch_jobs()],
            output.read_text()[-1500:] if output.exists() else "",
        ]

    def kill_the_launcher(self):
        """Kill the running batch job with all of Balsam's processes in it, as the death of a node does."""
        (running,) = [batch for batch in self.batch_jobs() if batch.state == "running"]
        script = psutil.Process(running.scheduler_id)
        launchers = [
            each for each in script.children(recursive=True) if "balsam" in " ".join(words(each)[:4])
        ]
        for process in [script, *launchers]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        return running
