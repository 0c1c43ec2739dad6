"""The batch jobs of one search: each driver submits the next one, and the last driver deletes the rest.

Balsam's launchers run the jobs that have a workflow's tag, so a search continues in the next batch job of its
workflow that starts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient, Refused, Unauthorized, Unavailable
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BatchRequest, BatchState
from dh_project.hpc.balsam.jobs.deletion import delete_batch_jobs

AFTER = "after"
"""Parameter of the site's job template: the scheduler's number of the batch job that must end first."""

SECONDS_BETWEEN = 5.0
"""Interval between two tries, if the server is down or does not know the present batch job yet."""

log = logging.getLogger(__name__)


def batch_jobs_of(client: BalsamClient, site_id: int, workflow: str) -> list[BalsamBatchJob]:
    """Return a workflow's batch jobs, the oldest first."""
    return sorted(client.batch_jobs(site_id, {tags.WORKFLOW: workflow}), key=lambda batch_job: batch_job.id)


def present_one(
    client: BalsamClient, job_id: int, batch_jobs: Sequence[BalsamBatchJob]
) -> BalsamBatchJob | None:
    """Return the batch job in which a job runs; None if the server does not know it yet."""
    number = client.job(job_id).batch_job_id
    found = [each for each in batch_jobs if each.id == number and each.state is not BatchState.FINISHED]
    return found[0] if found else None


def waits_for(batch_job: BalsamBatchJob, other: BalsamBatchJob) -> bool:
    """Return whether a batch job starts when the other one ends."""
    return other.scheduler_id is not None and batch_job.optional_params.get(AFTER) == str(other.scheduler_id)


class Chain:
    """Submits the next batch job of a search in the background, and repeats that while the server is down.

    Args:
        client: Client of the server.
        site_id: Id of the site.
        workflow: The search's name.
        job_id: Id of the driver's own job.
        last: How many batch jobs the workflow may have.
    """

    def __init__(self, client: BalsamClient, site_id: int, workflow: str, job_id: int, last: int) -> None:
        self._client, self._site_id, self._workflow = client, site_id, workflow
        self._job_id, self._last = job_id, last
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="chain", daemon=True)

    def start(self) -> None:
        """Begin to submit the next batch job, if the search may have more than one."""
        if self._last > 1:
            self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until the next batch job is submitted, at most some seconds."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def end(self, patience: float) -> list[BalsamBatchJob]:
        """The search is over: delete the batch jobs that have not started yet, and return them.

        Args:
            patience: Seconds to wait for a server that is down.

        Raises:
            Unavailable: The server stays down. The batch jobs will start, find nothing to do, and end.
        """
        self._over.set()
        self.join(SECONDS_BETWEEN)
        self._client.patience = patience
        return list({each.id: each for each in delete_batch_jobs(self._client, self._ahead)}.values())

    def _ahead(self) -> list[BalsamBatchJob]:
        """Return the workflow's batch jobs that wait in the queue, or in their script for the end of this one."""
        batch_jobs = batch_jobs_of(self._client, self._site_id, self._workflow)
        present = present_one(self._client, self._job_id, batch_jobs)
        return [
            each
            for each in batch_jobs
            if each.state in (BatchState.PENDING_SUBMISSION, BatchState.QUEUED)
            or (each.state is BatchState.RUNNING and present is not None and waits_for(each, present))
            if present is None or each.id != present.id
        ]

    def _go_on(self) -> None:
        said = ""
        while not self._over.is_set():
            try:
                if self._submit_next():
                    return
            except (Unavailable, Unauthorized) as error:
                if str(error) != said:
                    log.warning("the next batch job is not submitted yet: %s", error)
                said = str(error)
            except Refused as error:
                log.error("the next batch job cannot be submitted: %s", error)
                return
            self._over.wait(SECONDS_BETWEEN)

    def _submit_next(self) -> bool:
        """Submit the next batch job if none waits; return whether nothing is left to do."""
        batch_jobs = batch_jobs_of(self._client, self._site_id, self._workflow)
        if len([each for each in batch_jobs if each.state is not BatchState.SUBMIT_FAILED]) >= self._last:
            return True
        present = present_one(self._client, self._job_id, batch_jobs)
        if present is None or present.scheduler_id is None:
            return False
        if any(each.state.is_ahead and each.id > present.id for each in batch_jobs) or self._over.is_set():
            return True
        asked = {name: getattr(present, name) for name in BatchRequest.model_fields}
        asked["optional_params"] = {**present.optional_params, AFTER: str(present.scheduler_id)}
        made = self._client.create_batch_job(BatchRequest(**asked))
        log.info("batch job %d follows batch job %d", made.id, present.id)
        return True
