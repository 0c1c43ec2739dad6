"""What Balsam's REST interface speaks of, as far as it is used here (the schemas of Balsam 0.7.0a24)."""

from __future__ import annotations

import base64
import pickle
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field


class JobState(StrEnum):
    """Where a Balsam job stands."""

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
    """Where a batch job stands in the queue."""

    PENDING_SUBMISSION = "pending_submission"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    SUBMIT_FAILED = "submit_failed"
    PENDING_DELETION = "pending_deletion"

    @property
    def is_ahead(self) -> bool:
        """Whether it is still to run, or runs."""
        return self in AHEAD


AHEAD = (BatchState.PENDING_SUBMISSION, BatchState.QUEUED, BatchState.RUNNING)
"""States of a batch job that is still to run, or runs."""


class JobResources(BaseModel):
    """What a job takes, in Balsam's words."""

    num_nodes: int = 1
    ranks_per_node: int = 1
    threads_per_rank: int = 1
    threads_per_core: int = 1
    gpus_per_rank: float = 0
    node_packing_count: int = 1
    launch_params: dict[str, str] = Field(default_factory=dict)
    wall_time_min: int = 0


class JobRequest(JobResources):
    """A job to be made.

    Attributes:
        app_id: The app that it runs.
        workdir: Its folder, below the site's ``data``; at most 256 characters.
        tags: By which jobs are found; a launcher takes those that have all of its own.
        data: What it starts with of its ``data``.
        parameters: The app's parameters.
        parent_ids: It waits for these to finish, unless its state is set by hand.
    """

    app_id: int
    workdir: str
    tags: dict[str, str] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, str] = Field(default_factory=dict, exclude=True)
    parent_ids: list[int] = Field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return what is sent; Balsam wants the parameters of its apps pickled."""
        pickled = base64.b64encode(pickle.dumps(self.parameters, protocol=4)).decode()
        return {**self.model_dump(), "transfers": {}, "serialized_parameters": pickled}


def _with_zone(date: Any) -> Any:
    """Read a date without a zone as one of UTC: the server tells the zone of some, and means that by all."""
    if isinstance(date, str):
        date = datetime.fromisoformat(date)
    return date.replace(tzinfo=UTC) if isinstance(date, datetime) and date.tzinfo is None else date


Date = Annotated[AwareDatetime, BeforeValidator(_with_zone)]


class Job(JobResources):
    """A job."""

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


class Queue(BaseModel):
    """Limits of a queue.

    Attributes:
        max_nodes: Nodes of one batch job.
        max_walltime: Minutes of one.
        max_queued_jobs: Batch jobs of one user.
    """

    max_nodes: int
    max_walltime: int
    max_queued_jobs: int


class Site(BaseModel):
    """A site; its agent tells the server of queues and projects when it starts, and then looks in regularly."""

    id: int
    name: str
    path: str
    last_refresh: Date
    allowed_projects: list[str] = Field(default_factory=list)
    allowed_queues: dict[str, Queue] = Field(default_factory=dict)
    optional_batch_job_params: dict[str, str] = Field(default_factory=dict)


class BatchRequest(BaseModel):
    """A batch job to be made: an allocation in which a launcher runs jobs."""

    site_id: int
    num_nodes: int
    wall_time_min: int
    job_mode: str
    queue: str
    project: str
    filter_tags: dict[str, str]
    optional_params: dict[str, str] = Field(default_factory=dict)
    partitions: list[dict[str, Any]] | None = None


class BatchJob(BatchRequest):
    """A batch job."""

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
