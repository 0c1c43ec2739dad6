"""Finding the jobs of a server: by number, user, workflow, state, age and name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice

from dh_project.common.errors import UserError, did_you_mean, unknown
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamJob, JobState
from dh_project.hpc.balsam.tasks.description import kind_of, name_of

RECENT = 2000
"""Jobs, the newest, among which a workflow is looked for that is nearly called as was said."""


@dataclass(frozen=True)
class Filters:
    """Conditions on jobs, all of which are to be met; None, or an empty tuple, is no condition.

    Attributes:
        ids: Numbers.
        user: Who submitted them.
        workflow: The search that they belong to.
        states: Balsam's states.
        days: How many days ago, at most, they last changed.
        first: The lowest number.
        last: The highest number.
        name: Pattern of the shell's kind for their names.
    """

    ids: tuple[int, ...] = ()
    user: str | None = None
    workflow: str | None = None
    states: tuple[JobState, ...] = ()
    days: float | None = None
    first: int | None = None
    last: int | None = None
    name: str | None = None

    def tags(self) -> dict[str, str]:
        """Return the tags that jobs must have."""
        wanted = {tags.USER: self.user, tags.WORKFLOW: self.workflow}
        return {name: value for name, value in wanted.items() if value is not None}

    def accept(self, job: BalsamJob) -> bool:
        """Return whether a job meets the conditions that a server does not know."""
        return (self.last is None or job.id <= self.last) and (
            self.name is None or fnmatchcase(name_of(job), self.name)
        )


def parse_states(names: Sequence[str]) -> tuple[JobState, ...]:
    """Return states by their names, in capitals or not.

    Raises:
        UserError: One is none.
    """
    states = []
    for name in names:
        try:
            states.append(JobState(name.upper().replace("-", "_")))
        except ValueError:
            raise unknown("state", name, map(str, JobState)) from None
    return tuple(states)


def find(client: BalsamClient, filters: Filters, limit: int) -> list[BalsamJob]:
    """Return the newest jobs that meet the conditions, the newest first, no more than the limit.

    What the server can sort out, it does; the rest is sorted out as its pages come, and no more are asked for than
    it takes.
    """
    after = datetime.now(UTC) - timedelta(days=filters.days) if filters.days is not None else None
    jobs: list[BalsamJob] = []
    latest = None
    for job in client.iterate_jobs(
        filters.tags(), filters.ids, filters.states, updated_after=after, ordering="-id"
    ):
        if len(jobs) >= limit or (filters.first is not None and job.id < filters.first):
            break
        if latest is not None and job.id >= latest:
            continue  # jobs made meanwhile push earlier ones onto the next page, too
        latest = job.id
        if filters.accept(job):
            jobs.append(job)
    return jobs


def jobs_by_id(client: BalsamClient, ids: Collection[int]) -> list[BalsamJob]:
    """Return the jobs of these numbers, in this order.

    Raises:
        UserError: The server does not have one of them.
    """
    found = {job.id: job for job in client.jobs(ids=ids)}
    missing = [str(number) for number in ids if number not in found]
    if missing:
        raise UserError(
            f"{client.url}: there is no job {', '.join(missing)} of yours; list them with: deephyper tasks show"
        )
    return [found[number] for number in dict.fromkeys(ids)]


def jobs_of_workflow(client: BalsamClient, workflow: str) -> list[BalsamJob]:
    """Return all jobs of a workflow, its search first.

    Raises:
        UserError: There are none.
    """
    jobs = client.jobs({tags.WORKFLOW: workflow})
    if not jobs:
        recent = islice(client.iterate_jobs(ordering="-id"), RECENT)
        names = {job.tags[tags.WORKFLOW] for job in recent if tags.WORKFLOW in job.tags}
        raise UserError(
            f"{client.url}: no job of a workflow {workflow!r}{did_you_mean(workflow, names)}; list all jobs with: "
            "deephyper tasks show"
        )
    return sorted(jobs, key=lambda job: (kind_of(job) != tags.SEARCH, job.id))
