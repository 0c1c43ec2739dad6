"""The last step of a job script: if the search is over, take the later jobs of its chain out of the queue.

The script runs ``python -m dh_project.hpc.batch_jobs.end_chain FOLDER STATUS`` with the exit status of
``deephyper hps``. The status alone does not show whether the search is over: it is 0 if the walltime ended a session.
The journal shows it.

Without this step the later jobs would start, find nothing to do, and end. So a failure of this step is only printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from pathlib import Path

from dh_project.common.errors import UserError

COMPLETE = ("complete", "target", "epochs", "patience", "timeout")
"""Endings after which a search has nothing left to do, however often it is started."""

OVER = (*COMPLETE, "failures")
"""Endings after which no later job is needed. A loss of workers is not one: other nodes may be healthy."""


def is_over(records: Iterable[dict[str, object]], status: int, began: float) -> bool:
    """Return whether a search needs no more jobs.

    Args:
        records: The records of its journal.
        status: Exit status of ``deephyper hps`` in this job. It may have found nothing to do, or failed to begin.
        began: Start of this job in seconds since 1970.
    """
    closes = [record for record in records if record["kind"] in ("session", "close")]
    if not closes or closes[-1]["kind"] != "close":
        return False
    ending, session = closes[-1]["ending"], next(r for r in reversed(closes) if r["kind"] == "session")
    is_of_this_job = datetime.fromisoformat(str(session["date"])).timestamp() >= int(began)
    return ending in OVER if is_of_this_job else status == 0 and ending in COMPLETE


def end_chain(folder: Path, status: int, began: float) -> str | None:
    """If the search is over, take the jobs after this one out of the queue; return a line about it, or None.

    Raises:
        UserError: The scheduler refuses, or a file of the search is damaged.
        OSError: A file cannot be read.
    """
    from dh_project.hpc.batch_jobs.record import following, recorded_jobs
    from dh_project.hpc.batch_jobs.scheduler import scheduler_of
    from dh_project.results.journal import JournalReader
    from dh_project.results.paths import SearchPaths

    jobs = recorded_jobs(folder)
    journal = JournalReader(SearchPaths(folder).journal, with_reports=False)
    if not jobs or not is_over(chain.from_iterable(journal.new()), status, began):
        return None
    scheduler = scheduler_of(jobs[-1].scheduler, jobs[-1].site)
    number = os.environ.get(scheduler.job_variable, "").partition(".")[
        0
    ]  # the server's name may be cut short
    this = next((job.job for job in jobs if job.job.partition(".")[0] == number), None)
    later = following(jobs, this) if this else []
    ahead = scheduler.ahead(later) if later else []
    if not ahead:
        return None
    scheduler.remove(list(reversed(ahead)))  # last one first: removing a job releases the next one
    return f"the search is over; taken out of the queue: {', '.join(ahead)}"


def main(folder: str, status: str) -> None:
    """Run the step in a job; the parent of this process must be the job's script."""
    import psutil

    try:
        said = end_chain(Path(folder), int(status), psutil.Process(os.getppid()).create_time())
    except (UserError, OSError) as error:
        said = f"later jobs are left in the queue, find nothing to do there, and end: {error}"
    if said:
        print(said, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
