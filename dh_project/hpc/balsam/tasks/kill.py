"""``tasks kill``: waiting jobs are set to failed on the server, running jobs are ordered to end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BalsamJob, BatchState, JobState
from dh_project.hpc.balsam.jobs.deletion import delete_batch_jobs
from dh_project.hpc.balsam.jobs.job_folders import JobFolders
from dh_project.hpc.balsam.jobs.orders import give_order, kill_order
from dh_project.hpc.balsam.tasks.description import ENDED, OURS, Said, Verdict, kind_of, titled
from dh_project.hpc.balsam.tasks.finding import jobs_of_workflow
from dh_project.trial.trial import State
from dh_project.worker.attempt_result import without_objective

HELD_SECONDS = 10.0
"""Time to wait for a job that the site's agent handles at the moment."""

ENDING_SECONDS = 40.0
"""Time for ordered jobs to end before their batch job is deleted."""

PERIOD = 0.5

AGENT_HANDLES = frozenset({JobState.READY, JobState.STAGED_IN, JobState.RUN_ERROR, JobState.RUN_TIMEOUT})
"""States in which the site's agent may hold an older copy of a job, and overwrite our change of its state."""


class Killer:
    """Kills jobs.

    Args:
        client: Client of the server.
        user: The user's name for the jobs' events.
        held: Seconds to wait for a job that the agent handles.
        ending: Seconds for jobs to end before their batch job is deleted.
    """

    def __init__(
        self, client: BalsamClient, user: str, held: float = HELD_SECONDS, ending: float = ENDING_SECONDS
    ) -> None:
        self._client, self._reason, self._held, self._ending = client, f"killed by {user}", held, ending
        self._folders = JobFolders(client)
        self._batch_jobs: dict[int, BalsamBatchJob] = {}

    def kill(self, jobs: Iterable[BalsamJob]) -> Iterator[Said]:
        """Kill jobs one after the other, and yield the result for each."""
        for job in jobs:
            yield self._kill(job)

    def kill_workflow(self, workflow: str) -> Iterator[Said]:
        """Kill a search: its own job first, so that it starts no more trials, then its trials, then its batch jobs.

        A running batch job is deleted when the jobs in it have ended as ordered: a driver has to close its results,
        and Balsam would run jobs again that end with their launcher.

        Raises:
            UserError: There is no such workflow.
        """
        said = None
        for said in self._kill_in_turn(workflow):
            yield said
        if said is None:
            yield Said(Verdict.NOTHING, f"workflow {workflow}: all its jobs have ended")

    def _kill_in_turn(self, workflow: str) -> Iterator[Said]:
        jobs = [job for job in jobs_of_workflow(self._client, workflow) if job.state not in ENDED]
        yield from self.kill(jobs)
        yield from self._delete_batch_jobs(workflow)
        told = {job.id for job in jobs}
        for job in jobs_of_workflow(self._client, workflow):  # some may be new, or set up to run again
            if job.state not in ENDED and job.state is not JobState.RUNNING:
                said = self._kill(job)
                if job.id not in told or said.verdict is Verdict.REFUSED:
                    yield said

    def _delete_batch_jobs(self, workflow: str) -> Iterator[Said]:
        def ahead() -> list[BalsamBatchJob]:
            batch_jobs = self._client.batch_jobs(tags={tags.WORKFLOW: workflow})
            return [batch_job for batch_job in batch_jobs if batch_job.state.is_ahead]

        wait = partial(self._wait_until_none_runs, workflow)
        for batch_job in delete_batch_jobs(self._client, ahead, before_running=wait):
            yield Said(Verdict.DONE, f"batch job {batch_job.id} ({batch_job.state}): deleted")

    def _kill(self, job: BalsamJob) -> Said:
        deadline, is_ordered = time.monotonic() + self._held, False
        while True:
            if job.state in ENDED:
                if is_ordered:
                    return Said(Verdict.DONE, f"{titled(job)}: killed")
                return Said(Verdict.NOTHING, f"{titled(job)}: has ended ({job.state})")
            if self._is_run(job):
                return self._order_running(job)
            if job.session_id is None or job.state is JobState.RUNNING:
                if self._fail(job):
                    return Said(Verdict.DONE, f"{titled(job)}: killed ({job.state} before)")
            else:
                is_ordered = is_ordered or self._order(job)
            if time.monotonic() > deadline:
                return _said_of_held(job, is_ordered)
            time.sleep(PERIOD)
            found = self._client.jobs(ids=[job.id])
            if not found:
                return Said(Verdict.DONE, f"{titled(job)}: its search has deleted it meanwhile")
            job = found[0]

    def _is_run(self, job: BalsamJob) -> bool:
        """Return whether a launcher runs a job, as far as the server knows."""
        if job.state is not JobState.RUNNING:
            return False
        batch_job = self._batch_job(job.batch_job_id)
        if batch_job is None:
            return job.session_id is not None
        return batch_job.state not in (BatchState.FINISHED, BatchState.SUBMIT_FAILED)

    def _batch_job(self, number: int | None) -> BalsamBatchJob | None:
        if number is not None and number not in self._batch_jobs:
            self._batch_jobs.update({each.id: each for each in self._client.batch_jobs(ids=[number])})
        return None if number is None else self._batch_jobs.get(number)

    def _fail(self, job: BalsamJob) -> bool:
        """Set a job that no launcher runs to FAILED. If its state changed meanwhile, leave it unchanged.

        A trial gets the end that its worker would have reported, so that its search records it as cancelled.
        """
        fields: dict[str, Any] = {"state": JobState.FAILED, "state_data": {"message": self._reason}}
        if kind_of(job) == tags.TRIAL:
            end = {**without_objective(State.CANCELLED, self._reason), "facts": {}}
            fields["data"] = {"end": end, **(job.data or {})}  # an end that its worker has reported stays
        if not self._client.update_jobs([job.id], states=[job.state], **fields):
            return False
        after = self._client.jobs(ids=[job.id])
        taken = any(
            each.state is not JobState.FAILED or each.batch_job_id != job.batch_job_id for each in after
        )
        if taken or job.state in AGENT_HANDLES:
            self._order(job)  # if a launcher has taken it and starts it, it ends at once
        return True

    def _order(self, job: BalsamJob) -> bool:
        """Order a job to end, if this package made it and this machine sees its folder; return whether it did."""
        folder = self._folders.of(job) if kind_of(job) in OURS else None
        if folder is None:
            return False
        give_order(folder, kill_order(State.CANCELLED, self._reason))
        return True

    def _order_running(self, job: BalsamJob) -> Said:
        batch_job = self._batch_job(job.batch_job_id)
        scheduler_id = None if batch_job is None else batch_job.scheduler_id
        instead = (
            "" if scheduler_id is None else f", with all that runs in it: balsam queue term {scheduler_id}"
        )
        if kind_of(job) not in OURS:
            return Said(
                Verdict.REFUSED,
                f"{titled(job)}: runs, and Balsam cannot stop a running job of another app; delete its batch job"
                f"{instead}",
            )
        if not self._order(job):
            return Said(
                Verdict.REFUSED,
                f"{titled(job)}: runs below {self._folders.site_of(job).path}, which this machine does not see; "
                f"kill it there, or delete its batch job{instead}",
            )
        return Said(Verdict.DONE, f"{titled(job)}: ordered to end")

    def _wait_until_none_runs(self, workflow: str) -> None:
        deadline = time.monotonic() + self._ending
        while time.monotonic() < deadline:
            self._batch_jobs.clear()
            running = self._client.jobs({tags.WORKFLOW: workflow}, states=[JobState.RUNNING])
            if not any(kind_of(job) in OURS and self._is_run(job) for job in running):
                return
            time.sleep(PERIOD)


def _said_of_held(job: BalsamJob, is_ordered: bool) -> Said:
    if is_ordered:
        return Said(Verdict.DONE, f"{titled(job)}: a launcher holds it; it ends as soon as it starts")
    return Said(
        Verdict.REFUSED,
        f"{titled(job)}: a launcher or the site's agent holds it; try again in a moment",
    )
