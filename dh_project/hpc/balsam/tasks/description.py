"""What is said of one job: its name, kind and end, and what became of the wish to change it."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.models import BalsamJob, JobState

ENDED = frozenset(
    {JobState.RUN_DONE, JobState.POSTPROCESSED, JobState.STAGED_OUT, JobState.JOB_FINISHED, JobState.FAILED}
)
"""A job in one of these will not run again by itself."""

OURS = (tags.SEARCH, tags.TRIAL)
"""The kinds of jobs that this package makes."""


class Verdict(Enum):
    """What became of the wish to change a job."""

    DONE = "done"
    NOTHING = "nothing was to be done"
    REFUSED = "refused"


class Said(NamedTuple):
    """What is told of it.

    Attributes:
        verdict: What became of it.
        line: In words.
    """

    verdict: Verdict
    line: str


def name_of(job: BalsamJob) -> str:
    """Return what a job is called in lists."""
    return job.tags.get(tags.NAME) or job.workdir


def kind_of(job: BalsamJob) -> str:
    """Return ``search``, ``trial``, or nothing for a job of another's making."""
    return job.tags.get(tags.KIND, "")


def end_of(job: BalsamJob) -> dict[str, Any]:
    """Return how a trial ended, as its worker told it; empty where it has not."""
    end = (job.data or {}).get("end")
    return end if isinstance(end, dict) else {}


def titled(job: BalsamJob) -> str:
    """Return a job's number and what it is, as it is told of."""
    workflow = f" of {job.tags[tags.WORKFLOW]}" if tags.WORKFLOW in job.tags else ""
    number = f" {job.tags[tags.NUMBER]}" if tags.NUMBER in job.tags else ""
    return f"job {job.id}" + (f" ({kind_of(job)}{number}{workflow})" if kind_of(job) else "")
