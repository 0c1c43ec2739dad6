"""The record of a search's batch jobs: ``jobs.jsonl`` in its folder, one line for each job in order of submission."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from dh_project.common.errors import UserError
from dh_project.common.json_lines import append_line, read_lines

SCHEMA = 1
JOBS, SCRIPT, CODE = "jobs.jsonl", "job.sh", "code"
"""In the folder of a search: the record, the script that was submitted last, and the copy of ``--snapshot``."""


class BatchJob(BaseModel):
    """A submitted batch job.

    Attributes:
        schema_version: Version of this record's format.
        job: The id that the scheduler gave it.
        site: Name of the site.
        scheduler: ``pbs`` or ``slurm``.
        queue: Queue or partition.
        nodes: Number of nodes.
        minutes: Walltime.
        after: The job that must end first; None if it waits for none.
        when: Time of submission.
    """

    schema_version: int = SCHEMA
    job: str
    site: str
    scheduler: str
    queue: str | None
    nodes: int
    minutes: int
    after: str | None = None
    when: datetime = Field(default_factory=lambda: datetime.now().astimezone())


def record_job(folder: Path, job: BatchJob) -> None:
    """Append a job to the record, durably. An incomplete last line of a killed writer is removed first.

    Raises:
        OSError: The record cannot be written.
    """
    append_line(folder / JOBS, job.model_dump_json())


def recorded_jobs(folder: Path) -> list[BatchJob]:
    """Return the jobs that were submitted for a search; the list may be empty.

    Raises:
        UserError: The record is damaged, or a newer version wrote it.
    """
    path = folder / JOBS
    jobs = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.endswith(b"\n"):  # incomplete: its writer was killed
            break
        try:
            job = BatchJob.model_validate_json(line)
        except ValidationError:
            raise UserError(
                f"{path}, line {number}: this is not a job of a search; mend the line, or move the file away"
            ) from None
        if job.schema_version > SCHEMA:
            raise UserError(
                f"{path}: written by a newer dh_project (schema {job.schema_version}, this one reads up to "
                f"{SCHEMA}); upgrade dh_project"
            )
        jobs.append(job)
    return jobs


def following(jobs: list[BatchJob], first: str) -> list[str]:
    """Return the ids of the jobs that wait for a job, directly or through others, in the order of submission."""
    ids = [first]
    for job in jobs:
        if job.after in ids:
            ids.append(job.job)
    return ids[1:]
