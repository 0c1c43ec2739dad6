"""Runs before a launcher: frees the jobs that a dead launcher left as running or as taken.

The server itself notices a dead launcher only after five minutes. Until then the search's own job would not start in
the next batch job. The job of a trial that ran is never run again: the driver, once it is back, gives the trial
another attempt.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BalsamJob, BatchState, JobState
from dh_project.hpc.balsam.install.installation import active_installation

LONGEST = 30
"""Time limit in seconds; the batch job waits meanwhile."""

HELD = (JobState.RUNNING, JobState.PREPROCESSED, JobState.RESTART_READY)
"""States of the jobs that a launcher has taken."""


def release(client: BalsamClient, site_id: int, workflow: str, after: int | None = None) -> list[BalsamJob]:
    """Free the jobs of a workflow whose launcher is dead, and return them as they were before.

    Args:
        client: Client of the server.
        site_id: The site.
        workflow: The search's name.
        after: The scheduler's number of a batch job that has ended, which the site's agent may not know yet.
    """
    held = [
        job
        for job in client.jobs(tags={tags.WORKFLOW: workflow}, states=HELD, site_id=site_id)
        if job.batch_job_id is not None and (job.state is JobState.RUNNING or job.session_id is not None)
    ]
    batch_jobs = {each.id: each for each in client.batch_jobs(site_id, {tags.WORKFLOW: workflow})}
    freed = [job for job in held if _has_ended(batch_jobs.get(job.batch_job_id or 0), after)]
    trials = [job for job in freed if job.tags.get(tags.KIND) != tags.SEARCH]
    for job in freed:
        if job not in trials:
            again = JobState.PREPROCESSED if job.state is JobState.RESTART_READY else JobState.RESTART_READY
            client.update_job(job.id, state=again)
    ran = [job.id for job in trials if job.state is JobState.RUNNING]
    client.update_jobs(ran, [JobState.RUNNING], state=JobState.FAILED)
    # Only a change of state frees a job that was taken but not started. This state is one that no launcher takes; a
    # driver that adopts the job corrects it.
    taken = [job.id for job in trials if job.state is JobState.PREPROCESSED]
    client.update_jobs(taken, [JobState.PREPROCESSED], state=JobState.AWAITING_PARENTS)
    client.update_jobs(taken, [JobState.AWAITING_PARENTS], state=JobState.PREPROCESSED)
    return freed


def main() -> NoReturn:
    """Free the jobs of a workflow at the active site: ``WORKFLOW [ID OF THE BATCH JOB BEFORE]`` are its words.

    The batch job continues even if this fails.
    """
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(LONGEST)
    try:
        workflow, *after = sys.argv[1:]
        installation = active_installation()
        with BalsamClient.of(installation, patience=LONGEST / 2) as client:
            freed = release(client, installation.describe().site_id, workflow, *map(int, after))
        for job in freed:
            print(f"job {job.id} ({job.workdir}) was left {job.state} by a dead launcher: freed")
    except Exception as error:
        print(f"jobs of a dead launcher are not freed: {type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(0)


def _has_ended(batch_job: BalsamBatchJob | None, after: int | None) -> bool:
    if batch_job is None or batch_job.state in (BatchState.FINISHED, BatchState.SUBMIT_FAILED):
        return True
    return after is not None and batch_job.scheduler_id == after
