"""Finds the jobs of a server by number, user, workflow, state, age and name."""

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
"""Number of newest jobs among which a workflow with a similar name is looked for."""


@dataclass(frozen=True)
class Filters:
    """Conditions on jobs, all of which must be met. None and an empty tuple are no conditions.

    Attributes:
        ids: The jobs' numbers.
        user: The user who submitted them.
        workflow: Name of their search.
        states: Balsam's states.
        days: They changed within this number of days.
        first: The lowest number.
        last: The highest number.
        name: Pattern for their names, with the wildcards of a shell.
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
        """Return whether a job meets the conditions that the server cannot check."""
        return (self.last is None or job.id <= self.last) and (
            self.name is None or fnmatchcase(name_of(job), self.name)
        )


def parse_states(names: Sequence[str]) -> tuple[JobState, ...]:
    """Return states by their names, in upper or lower case.

    Raises:
        UserError: A name is unknown.
    """
    states = []
    for name in names:
        try:
            states.append(JobState(name.upper().replace("-", "_")))
        except ValueError:
            raise unknown("state", name, map(str, JobState)) from None
    return tuple(states)


def find(client: BalsamClient, filters: Filters, limit: int) -> list[BalsamJob]:
    """Return at most ``limit`` jobs that meet the conditions, the newest first.

    The server checks the conditions that it knows. The others are checked here, page by page, until there are enough
    jobs.
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
            continue  # new jobs push earlier ones onto the next page, so they come twice
        latest = job.id
        if filters.accept(job):
            jobs.append(job)
    return jobs


def jobs_by_id(client: BalsamClient, ids: Collection[int]) -> list[BalsamJob]:
    """Return the jobs with these numbers, in this order.

    Raises:
        UserError: The server does not have all of them.
    """
    found = {job.id: job for job in client.jobs(ids=ids)}
    missing = [str(number) for number in ids if number not in found]
    if missing:
        raise UserError(
            f"{client.server}: there is no job {', '.join(missing)} of yours; list them with: deephyper tasks show"
        )
    return [found[number] for number in dict.fromkeys(ids)]


def jobs_of_workflow(client: BalsamClient, workflow: str) -> list[BalsamJob]:
    """Return all jobs of a workflow, the search's own job first.

    Raises:
        UserError: There are none.
    """
    jobs = client.jobs({tags.WORKFLOW: workflow})
    if not jobs:
        recent = islice(client.iterate_jobs(ordering="-id"), RECENT)
        names = {job.tags[tags.WORKFLOW] for job in recent if tags.WORKFLOW in job.tags}
        raise UserError(
            f"{client.server}: no job of a workflow {workflow!r}{did_you_mean(workflow, names)}; list all jobs with: "
            "deephyper tasks show"
        )
    return sorted(jobs, key=lambda job: (kind_of(job) != tags.SEARCH, job.id))
