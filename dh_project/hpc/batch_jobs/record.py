"""The batch jobs of a search, on record beside it: ``jobs.jsonl``, one line a job, in the order of submission."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from dh_project.common.errors import UserError

SCHEMA = 1
JOBS, SCRIPT, CODE = "jobs.jsonl", "job.sh", "code"
"""In a search's folder: the jobs on record, the script that was submitted last, what ``--snapshot`` copied."""


class BatchJob(BaseModel):
    """One batch job that was submitted.

    Attributes:
        schema_version: Of this record.
        job: Its id, as the scheduler gave it.
        site: Where.
        scheduler: ``pbs`` or ``slurm``.
        queue: Its queue or partition.
        nodes: Its nodes.
        minutes: Its walltime.
        after: The job that is to end first; None where it need not wait for one.
        when: When it was submitted.
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
    """Put a job on record, on disk; what a killed writer left of a line is cut off first.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / JOBS
    with path.open("a+b") as file:
        file.seek(0)
        old = file.read()
        if not old.endswith(b"\n"):
            file.truncate(old.rfind(b"\n") + 1)
        file.write(job.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def recorded_jobs(folder: Path) -> list[BatchJob]:
    """Return the jobs that were submitted for a search, which may be none.

    Raises:
        UserError: The file is damaged, or a newer version wrote it.
    """
    path = folder / JOBS
    jobs = []
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):  # torn, and nothing was told of it
            break
        try:
            job = BatchJob.model_validate_json(line)
        except ValidationError:
            raise UserError(
                f"{path}, line {number}: no job of a search; mend the line, or move the file away"
            ) from None
        if job.schema_version > SCHEMA:
            raise UserError(
                f"{path}: written by a newer dh_project (schema {job.schema_version}, this one reads up to "
                f"{SCHEMA}); upgrade dh_project"
            )
        jobs.append(job)
    return jobs


def following(jobs: list[BatchJob], first: str) -> list[str]:
    """Return the ids of the jobs that wait for one, or for one that waits for it, in the order of submission."""
    ids = [first]
    for job in jobs:
        if job.after in ids:
            ids.append(job.job)
    return ids[1:]
