"""For the tests of schedulers: the record of a search that ran in several jobs."""

import csv
import time
from collections import Counter
from pathlib import Path

from dh_project.hpc.batch_jobs.record import recorded_jobs
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths

FAKE_PBS = Path(__file__).parent / "fake_pbs"
"""The folder with fakes of PBS's commands."""

FINAL = {"done", "stopped", "failed", "timeout", "memory", "cancelled"}
"""States of an attempt after which the trial is not repeated."""


def wait_until(condition, what, limit):
    """Wait until a condition is true, and return its value."""
    ends = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < ends, f"not within {limit:g} s: {what()}"
        time.sleep(0.2)
    return value


class SearchRecord:
    """The folder of a search."""

    def __init__(self, folder):
        self.paths = SearchPaths(folder)

    @property
    def jobs(self):
        """The ids of the submitted jobs."""
        return [job.job for job in recorded_jobs(self.paths.folder)]

    def of_kind(self, kind):
        """Return the journal's records of a kind."""
        return [record for record in scan(self.paths.journal)[0] if record["kind"] == kind]

    @property
    def rows(self):
        with self.paths.results.open() as file:
            return list(csv.DictReader(file))

    @property
    def times_ended(self):
        """How often each trial has a final end; 1 is right."""
        return Counter(record["trial"] for record in self.of_kind("end") if record["state"] in FINAL)

    def printed(self):
        """Return the output of all jobs."""
        files = [*self.paths.folder.glob("*.out"), *self.paths.folder.glob("*.o[0-9]*")]
        return "\n".join(f"{file.name}:\n{file.read_text(errors='replace')}" for file in sorted(files))
