"""Deletes the batch jobs of a workflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BatchState

ROUNDS = 5
"""Number of tries: a batch job that the site's agent submits at this moment comes back into the queue."""

SECONDS_BETWEEN = 1.0


def delete_batch_jobs(
    client: BalsamClient,
    find: Callable[[], Iterable[BalsamBatchJob]],
    before_running: Callable[[], None] | None = None,
) -> Iterator[BalsamBatchJob]:
    """Delete batch jobs until none is left, the running ones last, and yield each.

    Args:
        client: Client of the server.
        find: Returns the batch jobs that are still to be deleted.
        before_running: Is called before a running batch job is deleted.
    """
    has_number: dict[int, bool] = {}
    for _ in range(ROUNDS):
        for batch_job in sorted(find(), key=lambda each: each.state is BatchState.RUNNING):
            if before_running and batch_job.state is BatchState.RUNNING:
                before_running()
            client.delete_batch_job(batch_job.id)
            has_number[batch_job.id] = batch_job.scheduler_id is not None
            yield batch_job
        if all(has_number.values()):
            return
        time.sleep(SECONDS_BETWEEN)
