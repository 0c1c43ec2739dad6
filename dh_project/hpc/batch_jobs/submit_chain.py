"""Submits the script of a search: once, or as a chain of jobs that each start when the one before has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole
from dh_project.hpc.batch_jobs.record import SCRIPT, BatchJob, record_job, recorded_jobs
from dh_project.hpc.batch_jobs.scheduler import SCHEDULERS, Scheduler, scheduler_of
from dh_project.hpc.sites.facts import Site


def jobs_ahead(scheduler: Scheduler, folder: Path) -> list[str]:
    """Return the search's jobs that wait or run, in the order of their submission.

    Raises:
        UserError: The scheduler does not answer, or the record of the jobs is damaged.
    """
    jobs = [job.job for job in recorded_jobs(folder) if job.site == scheduler.site]
    return scheduler.ahead(jobs) if jobs else []


def planned_commands(site: Site, folder: Path, count: int) -> list[str]:
    """Return the commands that would submit a chain, with ``ID1``, ``ID2``, … for the ids that the scheduler gives.

    Args:
        site: The site.
        folder: The folder of the search.
        count: How many jobs.
    """
    if site.scheduler not in SCHEDULERS:
        return []
    scheduler = scheduler_of(site.scheduler, site.name)
    after = [None, *(f"ID{number}" for number in range(1, count))]
    return [" ".join(scheduler.command_line(folder / SCRIPT, name)) for name in after]


def submit_chain(
    scheduler: Scheduler, folder: Path, script: str, job: BatchJob, count: int
) -> Iterator[BatchJob]:
    """Write the script into the folder of the search and submit it; each job is recorded before it is yielded.

    Args:
        scheduler: The scheduler of the site.
        folder: The folder of the search, which must exist.
        script: The text of the job script.
        job: The fields that all jobs share; the first job waits for its ``after``.
        count: How many jobs.

    Raises:
        UserError: The scheduler refuses a job. The line says which are submitted, and how to submit the rest.
        OSError: The folder cannot be written to.
    """
    path = folder / SCRIPT
    write_whole(path, script)
    done: list[str] = []
    for number in range(count):
        try:
            name = scheduler.submit(path, done[-1] if done else job.after)
        except UserError as error:
            if not done:
                if not recorded_jobs(folder):  # nothing was ever submitted from here
                    path.unlink(missing_ok=True)
                raise
            raise UserError(
                f"{error}; submitted: {', '.join(done)}; the same command with --again --chain {count - number} "
                f"submits what is missing"
            ) from None
        made = BatchJob(
            **{**job.model_dump(exclude={"when"}), "job": name, "after": done[-1] if done else job.after}
        )
        try:
            record_job(folder, made)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}; job {name} is submitted all the same, and not on record: "
                f"{scheduler.remove_command} {name} takes it out of the queue",
                error.filename,
            ) from error
        done.append(name)
        yield made
