"""Jobs handed to Balsam in bulk, and one by one: seconds until launchers could take them all.

    source DIR/activate                    # a folder of balsam-init; else a temporary one is made
    python benchmarks/balsam/bulk.py [jobs]

The jobs are handed to the ``balsam`` evaluator as a search hands over its trials, and the time ends when the server
has all of them in the state from which launchers take jobs. The peer makes and releases each job by two requests of
its own. No launcher runs; the jobs are deleted at the end.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from balsam_folder import CountedClient, assignment_of, balsam_folder, context_of, resting_place, tell
from rich.console import Console
from rich.table import Table

from dh_project.hpc.balsam.client.models import JobState
from dh_project.hpc.balsam.evaluator import BalsamEvaluator
from dh_project.hpc.balsam.install.installation import Installation

sys.path.append(str(Path(__file__).parents[1]))
from machine import describe_machine

ONE_BY_ONE = 200
"""Jobs by requests of their own."""

Row = tuple[str, int, int | None, float]
"""What, for how many jobs, by how many requests, in how many seconds."""


def in_bulk(installation: Installation, count: int) -> list[Row]:
    """Hand jobs to the evaluator, and wait until launchers could take them."""
    with (
        CountedClient.new(installation) as client,
        CountedClient.new(installation) as observer,
        resting_place(installation, client, count) as place,
    ):
        having = place.tags_of_trials()
        evaluator = BalsamEvaluator(context_of(place), place)
        began = time.perf_counter()
        for trial in range(count):
            evaluator.start(assignment_of(place, trial))
        while observer.count_jobs(having, JobState.PREPROCESSED) < count:
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        requests = [request for request in client.requests if 0 <= request.sent - began < seconds]
        observer.end_jobs([job.id for job in observer.jobs(having)])
        heard = 0
        while heard < count:
            heard += len(evaluator.wait())
        evaluator.close()
    rows: list[Row] = [("the evaluator, in bulk", count, len(requests), seconds)]
    for name, method in (("  making them", "POST"), ("  releasing them", "PUT")):
        own = [request for request in requests if request.method == method]
        rows.append((name, count, len(own), sum(request.seconds for request in own)))
    return rows


def one_by_one(installation: Installation, count: int) -> list[Row]:
    """Make and release each job by requests of its own."""
    with (
        CountedClient.new(installation) as client,
        resting_place(installation, client, count) as place,
    ):
        context = context_of(place)
        client.requests.clear()
        began = time.perf_counter()
        for trial in range(count):
            [job] = client.create_jobs([place.request(context, assignment_of(place, trial))])
            client.update_job(job.id, state=JobState.PREPROCESSED)
        return [("one by one", count, len(client.requests), time.perf_counter() - began)]


def main() -> None:
    """Measure and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with balsam_folder() as installation:
        tell(f"{ONE_BY_ONE} jobs one by one")
        rows = one_by_one(installation, ONE_BY_ONE)
        tell(f"{count} jobs in bulk")
        rows = [*in_bulk(installation, count), *rows]
    table = Table(title=f"jobs handed to Balsam; {describe_machine()}", box=None)
    table.add_column("")
    for column in ("jobs", "requests", "seconds", "jobs a second"):
        table.add_column(column, justify="right")
    for name, jobs, requests, seconds in rows:
        table.add_row(name, f"{jobs:,}", f"{requests:,}", f"{seconds:.2f}", f"{jobs / seconds:,.0f}")
    Console(width=118).print(table)


if __name__ == "__main__":
    main()
