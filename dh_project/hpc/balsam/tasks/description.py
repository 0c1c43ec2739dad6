"""The description of a job for users: its name, kind and end, and the result of a request to change it."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.models import BalsamJob, JobState

ENDED = frozenset(
    {JobState.RUN_DONE, JobState.POSTPROCESSED, JobState.STAGED_OUT, JobState.JOB_FINISHED, JobState.FAILED}
)
"""States after which a job does not run again by itself."""

OURS = (tags.SEARCH, tags.TRIAL)
"""The kinds of jobs that this package makes."""


class Verdict(Enum):
    """Result of a request to change a job."""

    DONE = "done"
    NOTHING = "nothing was to be done"
    REFUSED = "refused"


class Said(NamedTuple):
    """A line for the user about a request to change a job.

    Attributes:
        verdict: The result.
        line: The line.
    """

    verdict: Verdict
    line: str


def name_of(job: BalsamJob) -> str:
    """Return the name of a job in lists."""
    return job.tags.get(tags.NAME) or job.workdir


def kind_of(job: BalsamJob) -> str:
    """Return ``search``, ``trial``, or an empty string for a job that another program made."""
    return job.tags.get(tags.KIND, "")


def end_of(job: BalsamJob) -> dict[str, Any]:
    """Return the end of a trial as its worker reported it; empty if it has not ended."""
    end = (job.data or {}).get("end")
    return end if isinstance(end, dict) else {}


def titled(job: BalsamJob) -> str:
    """Return a job's number and kind for messages."""
    workflow = f" of {job.tags[tags.WORKFLOW]}" if tags.WORKFLOW in job.tags else ""
    number = f" {job.tags[tags.NUMBER]}" if tags.NUMBER in job.tags else ""
    return f"job {job.id}" + (f" ({kind_of(job)}{number}{workflow})" if kind_of(job) else "")
