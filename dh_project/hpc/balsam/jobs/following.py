"""Follows a submitted search: its batch jobs, its own job, and the end of each trial."""

from __future__ import annotations

import time
from collections.abc import Callable

from dh_project.hpc.balsam.client.client import ServerError
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BalsamJob, BatchState, JobState
from dh_project.hpc.balsam.jobs.agent_contact import is_silent, seconds_silent
from dh_project.hpc.balsam.jobs.chain import batch_jobs_of
from dh_project.hpc.balsam.jobs.submission import Over
from dh_project.hpc.balsam.jobs.submitting import Target, why_refused
from dh_project.hps.observer import Observer
from dh_project.results.history import History, Replay
from dh_project.results.paths import SearchPaths

READ_SECONDS = 1.0
"""Interval at which the journal is read."""

ASK_SECONDS = 3.0
"""Interval at which the server is asked."""

SETTLE_SECONDS = 30.0
"""A search without a waiting or running batch job for this time is interrupted. An agent may need some seconds."""

LAUNCHER_SECONDS = 120.0
"""Time after which the user is told that a running launcher has not taken the search."""

OVER_STATES = (JobState.JOB_FINISHED, JobState.FAILED)


class Follower:
    """Prints the progress of a search until it is over or has no batch job left.

    Args:
        target: The site.
        workflow: The search's name.
        job: The search's own job.
        tell: Prints a line.
        observer: Is called at the end of each trial.

    Attributes:
        job: The search's own job as the server described it last.
    """

    def __init__(
        self, target: Target, workflow: str, job: BalsamJob, tell: Callable[[str], None], observer: Observer
    ) -> None:
        self._target, self._workflow, self._tell, self._observer = target, workflow, tell, observer
        self.job, self._folder = job, target.folder(job.workdir)
        self._journal = Replay(SearchPaths(self._folder))
        self._said: dict[str, str] = {}
        self._shown = 0
        self._idle_since: float | None = None
        self._untaken_since: float | None = None

    @property
    def history(self) -> History:
        """The history of the search so far."""
        return self._journal.history

    def pass_over(self) -> None:
        """Do not show the trials that have ended already."""
        self._journal.read()
        self._shown = len(self.history.ended)

    def follow(self) -> Over | None:
        """Follow the search to its end; return how it ended, or None if it was interrupted."""
        ask_at = 0.0
        while True:
            self._show_trials()
            if (over := Over.read(self._folder)) is not None:
                self._show_trials()
                return over
            if time.monotonic() >= ask_at:
                if self._ask():
                    self._show_trials()
                    return Over.read(self._folder)
                ask_at = time.monotonic() + ASK_SECONDS
            time.sleep(READ_SECONDS)

    def _show_trials(self) -> None:
        self._journal.read()
        for trial in self.history.ended[self._shown :]:
            self._observer.ended(trial)
        self._shown = len(self.history.ended)

    def _ask(self) -> bool:
        """Ask the server for the jobs' states and print the changes; return whether the search is interrupted."""
        client = self._target.client
        try:
            batch_jobs = batch_jobs_of(client, self._target.site.id, self._workflow)
            self.job = client.job(self.job.id)
            [site] = [site for site in client.sites() if site.id == self._target.site.id]
        except (ServerError, ValueError) as error:
            self._say("server", f"{error}; the search continues")
            return False
        self._said.pop("server", None)
        for batch_job in batch_jobs:
            self._tell_batch_job(batch_job)
        self._say("job", f"search (job {self.job.id}): {self.job.state}")
        if is_silent(site) and any(each.state is BatchState.PENDING_SUBMISSION for each in batch_jobs):
            minutes = seconds_silent(site) / 60
            self._say(
                "agent",
                f"the site's agent has not been heard of for {minutes:.0f} minutes, and submits nothing; start it "
                f"with: deephyper balsam-start",
            )
        self._tell_untaken(batch_jobs)
        return self._is_idle(batch_jobs)

    def _tell_batch_job(self, batch_job: BalsamBatchJob) -> None:
        number = f" ({batch_job.scheduler_id} in the queue)" if batch_job.scheduler_id else ""
        text = f"batch job {batch_job.id}{number}: {batch_job.state}"
        if batch_job.state is BatchState.SUBMIT_FAILED:
            text += f": {why_refused(batch_job)}"
        self._say(f"batch job {batch_job.id}", text)

    def _tell_untaken(self, batch_jobs: list[BalsamBatchJob]) -> None:
        """Tell the user if a launcher runs and does not take the search."""
        runs = any(each.state is BatchState.RUNNING for each in batch_jobs)
        if not runs or self.job.state is JobState.RUNNING or self.job.state in OVER_STATES:
            self._untaken_since = None
            return
        if self._untaken_since is None:
            self._untaken_since = time.monotonic()
        if time.monotonic() - self._untaken_since > LAUNCHER_SECONDS:
            self._say(
                "launcher",
                f"a batch job runs, and no launcher has taken the search for {LAUNCHER_SECONDS / 60:.0f} minutes; "
                f"see the logs in {self._target.installation.site / 'log'}",
            )

    def _is_idle(self, batch_jobs: list[BalsamBatchJob]) -> bool:
        """Return whether no batch job has run or waited for the search for longer than an agent needs."""
        is_ahead = any(each.state.is_ahead for each in batch_jobs)
        if is_ahead and self.job.state not in OVER_STATES:
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = time.monotonic()
        has_failed = not is_ahead and all(each.state is BatchState.SUBMIT_FAILED for each in batch_jobs)
        return has_failed or time.monotonic() - self._idle_since > SETTLE_SECONDS

    def _say(self, of: str, text: str) -> None:
        """Print a line about a thing, unless it is the same as the last line about it."""
        if self._said.get(of) != text:
            self._said[of] = text
            self._tell(text)
