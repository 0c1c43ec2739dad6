"""``tasks retry``: a search continues, a trial without an objective gets another attempt."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BalsamJob, JobState
from dh_project.hpc.balsam.jobs.job_folders import JobFolders
from dh_project.hpc.balsam.jobs.orders import ORDERS
from dh_project.hpc.balsam.jobs.submission import CRASHES, OVER
from dh_project.hpc.balsam.tasks.description import ENDED, Said, Verdict, end_of, kind_of, titled

MAY_RUN_AGAIN = (JobState.FAILED, JobState.JOB_FINISHED, JobState.RESTART_READY)
"""States of the job of a search that does not run."""


class Retrier:
    """Sets jobs up to run again.

    Args:
        client: Client of the server.
    """

    def __init__(self, client: BalsamClient) -> None:
        self._client = client
        self._folders = JobFolders(client)

    def retry(self, jobs: Iterable[BalsamJob]) -> Iterator[Said]:
        """Retry jobs one after the other, and yield the result for each."""
        ways = {tags.SEARCH: self._retry_search, tags.TRIAL: self._retry_trial}
        for job in jobs:
            yield ways.get(kind_of(job), self._retry_other)(job)

    def _retry_search(self, job: BalsamJob) -> Said:
        if job.state not in MAY_RUN_AGAIN or job.session_id is not None:
            return _refused(job, f"has not ended ({job.state})")
        folder = self._folders.of(job)
        if folder is None:
            where = self._folders.site_of(job).path
            return _refused(
                job, f"its folder is below {where}, which this machine does not see; retry it there"
            )
        for name in (OVER, CRASHES, ORDERS):  # an order to the last run would end the next one too
            (folder / name).unlink(missing_ok=True)
        if not self._restart(job):
            return _refused(job, "its state has changed meanwhile; look with: deephyper tasks show")
        return Said(Verdict.DONE, f"{titled(job)}: goes on{self._where_it_goes_on(job)}")

    def _where_it_goes_on(self, job: BalsamJob) -> str:
        """Return which batch job continues a search, or the command that submits one like the last."""
        workflow = job.tags.get(tags.WORKFLOW, "")
        batch_jobs = self._client.batch_jobs(tags={tags.WORKFLOW: workflow})
        ahead = [batch_job for batch_job in batch_jobs if batch_job.state.is_ahead]
        if ahead:
            return f" in batch job {ahead[0].id} ({ahead[0].state})"
        last = batch_jobs[-1] if batch_jobs else None
        return (
            " in the next batch job; submit one with: "
            f"deephyper balsam-submit hps {shlex.quote(workflow)} --resume {_options_of(last)}"
        )

    def _retry_trial(self, job: BalsamJob) -> Said:
        attempts = self._attempts(job)
        for attempt in attempts:
            objective = end_of(attempt).get("objective")
            where = "" if attempt.id == job.id else f", job {attempt.id}"
            if objective is not None:
                return _refused(
                    job, f"the trial has an objective ({objective:g}{where}), and its row is final"
                )
            if attempt.state not in ENDED and not end_of(attempt):
                return _refused(job, f"the trial has not ended ({attempt.state}{where})")
        last = attempts[-1]  # the attempt that its search knows
        if tags.RETRY in last.tags:
            return Said(Verdict.DONE, f"{titled(last)}: another attempt has been requested already")
        self._client.update_job(last.id, tags={**last.tags, tags.RETRY: "1"})
        return Said(
            Verdict.DONE, f"{titled(last)}: its search starts another attempt{self._if_search_is_over(job)}"
        )

    def _attempts(self, job: BalsamJob) -> list[BalsamJob]:
        """Return the jobs of all attempts at the same trial."""
        same = (tags.WORKFLOW, tags.RUN, tags.KIND, tags.NUMBER)
        jobs = self._client.jobs({name: job.tags[name] for name in same})
        return sorted(jobs, key=lambda each: int(each.tags[tags.ATTEMPT]))

    def _if_search_is_over(self, job: BalsamJob) -> str:
        """If the search is over, return the command that continues it, as the end of a sentence."""
        searches = self._client.jobs({tags.WORKFLOW: job.tags[tags.WORKFLOW], tags.KIND: tags.SEARCH})
        is_over = bool(searches) and searches[-1].state in ENDED
        return f" when it goes on: deephyper tasks retry {searches[-1].id}" if is_over else ""

    def _retry_other(self, job: BalsamJob) -> Said:
        if job.state is not JobState.FAILED:
            return _refused(job, f"has not failed ({job.state})")
        if not self._restart(job):
            return _refused(job, "its state has changed meanwhile; look with: deephyper tasks show")
        return Said(Verdict.DONE, f"{titled(job)}: runs again in the next batch job that takes it")

    def _restart(self, job: BalsamJob) -> bool:
        """Set a job to run again; return false if its state has changed meanwhile."""
        if job.state is JobState.RESTART_READY:
            return True
        said = {"message": "retried by the user"}
        return bool(
            self._client.update_jobs(
                [job.id], states=[job.state], state=JobState.RESTART_READY, state_data=said
            )
        )


def _refused(job: BalsamJob, why: str) -> Said:
    return Said(Verdict.REFUSED, f"{titled(job)}: {why}")


def _options_of(batch_job: BalsamBatchJob | None) -> str:
    """Return the options that submit a batch job like this one."""
    if batch_job is None:
        return "-t MINUTES -q QUEUE -n NODES -A PROJECT -j mpi|serial"
    values = {
        "-t": batch_job.wall_time_min,
        "-q": batch_job.queue,
        "-n": batch_job.num_nodes,
        "-A": batch_job.project,
        "-j": batch_job.job_mode,
    }
    return " ".join(f"{option} {shlex.quote(str(value))}" for option, value in values.items())
