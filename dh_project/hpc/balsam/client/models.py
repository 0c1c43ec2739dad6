"""The objects of Balsam's REST interface, as far as they are used here (the schemas of Balsam 0.7.0a24)."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from dh_project.hpc.sites.queues import Queue


class JobState(StrEnum):
    """State of a Balsam job."""

    CREATED = "CREATED"
    AWAITING_PARENTS = "AWAITING_PARENTS"
    READY = "READY"
    STAGED_IN = "STAGED_IN"
    PREPROCESSED = "PREPROCESSED"
    RUNNING = "RUNNING"
    RUN_DONE = "RUN_DONE"
    RUN_ERROR = "RUN_ERROR"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    RESTART_READY = "RESTART_READY"
    POSTPROCESSED = "POSTPROCESSED"
    STAGED_OUT = "STAGED_OUT"
    JOB_FINISHED = "JOB_FINISHED"
    FAILED = "FAILED"


class BatchState(StrEnum):
    """State of a batch job that was made through Balsam."""

    PENDING_SUBMISSION = "pending_submission"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    SUBMIT_FAILED = "submit_failed"
    PENDING_DELETION = "pending_deletion"

    @property
    def is_ahead(self) -> bool:
        """Whether the batch job waits or runs."""
        return self in AHEAD


AHEAD = (BatchState.PENDING_SUBMISSION, BatchState.QUEUED, BatchState.RUNNING)
"""States of a batch job that waits or runs."""


class JobResources(BaseModel):
    """Resources of a job, in Balsam's words."""

    num_nodes: int = 1
    ranks_per_node: int = 1
    threads_per_rank: int = 1
    threads_per_core: int = 1
    gpus_per_rank: float = 0
    node_packing_count: int = 1
    launch_params: dict[str, str] = Field(default_factory=dict)
    wall_time_min: int = 0


class JobRequest(JobResources):
    """A job to create.

    Attributes:
        app_id: The app that it runs.
        workdir: Its folder below the site's ``data``; at most 256 characters.
        tags: Tags by which jobs are found; a launcher takes the jobs that have all of its own tags.
        data: Initial value of its ``data``.
        parameters: The app's parameters.
        parent_ids: Jobs that must finish before this one, unless its state is set explicitly.
    """

    app_id: int
    workdir: str
    tags: dict[str, str] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, str] = Field(default_factory=dict, exclude=True)
    parent_ids: list[int] = Field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return the body of the request. Balsam demands that the parameters of its apps are pickled."""
        pickled = base64.b64encode(pickle.dumps(self.parameters, protocol=4)).decode()
        return {**self.model_dump(), "transfers": {}, "serialized_parameters": pickled}


def _with_zone(date: Any) -> Any:
    """Add UTC to a date without a time zone: the server means UTC everywhere, but does not always say so."""
    if isinstance(date, str):
        date = datetime.fromisoformat(date)
    return date.replace(tzinfo=UTC) if isinstance(date, datetime) and date.tzinfo is None else date


Date = Annotated[AwareDatetime, BeforeValidator(_with_zone)]


class BalsamJob(JobResources):
    """A Balsam job: it runs an app in a batch job."""

    id: int
    app_id: int
    workdir: str
    state: JobState
    last_update: Date
    tags: dict[str, str] = Field(default_factory=dict)
    data: dict[str, Any] | None = None
    return_code: int | None = None
    parent_ids: list[int] = Field(default_factory=list)
    batch_job_id: int | None = None
    session_id: int | None = None


class App(BaseModel):
    """An app of a site."""

    id: int
    site_id: int
    name: str
    description: str = ""
    source_code: str = ""


def queues_of(limits: Mapping[str, Mapping[str, Any]]) -> dict[str, Queue]:
    """Return Balsam's description of queues in this package's words.

    Raises:
        ValueError: A limit is not a positive number.
        KeyError: A limit is missing.
    """
    return {
        name: Queue(
            max_nodes=queue["max_nodes"],
            max_minutes=queue["max_walltime"],
            jobs_per_user=queue["max_queued_jobs"],
        )
        for name, queue in limits.items()
    }


class BalsamSite(BaseModel):
    """A site of a Balsam server. Its agent reports queues and projects to the server when it starts.

    Attributes:
        path: The site's folder, on the machine of its agent.
        last_refresh: When its agent last contacted the server.
        allowed_projects: Projects that can pay for batch jobs.
        allowed_queues: Limits of each queue, in Balsam's words.
        optional_batch_job_params: Further parameters of the site's job template, with their defaults.
    """

    id: int
    name: str
    path: str
    last_refresh: Date
    allowed_projects: list[str] = Field(default_factory=list)
    allowed_queues: dict[str, dict[str, Any]] = Field(default_factory=dict)
    optional_batch_job_params: dict[str, str] = Field(default_factory=dict)

    @property
    def queues(self) -> dict[str, Queue]:
        """The site's queues; empty before its agent has started for the first time."""
        return queues_of(self.allowed_queues)


class BatchRequest(BaseModel):
    """A batch job to create, in which a launcher runs Balsam jobs."""

    site_id: int
    num_nodes: int
    wall_time_min: int
    job_mode: str
    queue: str
    project: str
    filter_tags: dict[str, str]
    optional_params: dict[str, str] = Field(default_factory=dict)
    partitions: list[dict[str, Any]] | None = None


class BalsamBatchJob(BatchRequest):
    """A batch job that was made through Balsam."""

    id: int
    state: BatchState
    scheduler_id: int | None = None
    status_info: dict[str, str] | None = None
    start_time: Date | None = None
    end_time: Date | None = None


class JobEvent(BaseModel):
    """A change of a job's state, as the server logged it."""

    id: int
    job_id: int
    timestamp: Date
    from_state: str
    to_state: str
    data: dict[str, Any] = Field(default_factory=dict)
