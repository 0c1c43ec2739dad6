"""Jobs as rows of a table, and all data of one job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from dh_project.common.errors import unknown
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamJob
from dh_project.hpc.balsam.tasks.description import end_of, kind_of, name_of

Row = dict[str, Any]


def shown_time(moment: datetime) -> str:
    """Return a time in UTC in the format of tables."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown_span(seconds: float) -> str:
    """Return a span of time for people, in one unit."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} seconds"


def _tag(name: str) -> Callable[[BalsamJob], str | None]:
    return lambda job: job.tags.get(name)


def _end(name: str) -> Callable[[BalsamJob], Any]:
    """Return a function that reads a field of a trial's end."""
    return lambda job: end_of(job).get(name)


def _trial(job: BalsamJob) -> str | None:
    parts = [job.tags[name] for name in (tags.NUMBER, tags.ATTEMPT) if name in job.tags]
    return "/".join(parts) or None


COLUMNS: dict[str, Callable[[BalsamJob], Any]] = {
    "id": lambda job: job.id,
    "state": lambda job: str(job.state),
    "workflow": _tag(tags.WORKFLOW),
    "kind": lambda job: kind_of(job) or None,
    "name": name_of,
    "trial": _trial,
    "batch_job": lambda job: job.batch_job_id,
    "last_update": lambda job: shown_time(job.last_update),
    "user": _tag(tags.USER),
    "number": _tag(tags.NUMBER),
    "attempt": _tag(tags.ATTEMPT),
    "outcome": _end("state"),
    "objective": _end("objective"),
    "reason": _end("reason"),
    "workdir": lambda job: job.workdir,
    "app": lambda job: job.app_id,
    "num_nodes": lambda job: job.num_nodes,
    "ranks_per_node": lambda job: job.ranks_per_node,
    "threads_per_rank": lambda job: job.threads_per_rank,
    "gpus_per_rank": lambda job: job.gpus_per_rank,
    "return_code": lambda job: job.return_code,
}
"""All columns, each with the function that returns a job's cell; ``trial`` is number/attempt."""

DEFAULT_COLUMNS = ("id", "state", "workflow", "kind", "name", "trial", "batch_job", "last_update")


def parse_columns(text: str) -> tuple[str, ...]:
    """Return columns by their names, which are separated by commas.

    Raises:
        UserError: A name is unknown.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
    return names


def rows(jobs: Iterable[BalsamJob], columns: Sequence[str] = DEFAULT_COLUMNS) -> list[Row]:
    """Return one row for each job."""
    return [{name: COLUMNS[name](job) for name in columns} for job in jobs]


def whole(client: BalsamClient, job: BalsamJob) -> dict[str, Any]:
    """Return all data of a job: resources, tags, data, and its events, the oldest first."""
    events = [
        {
            "time": shown_time(event.timestamp),
            "from": event.from_state,
            "to": event.to_state,
            "data": event.data,
        }
        for event in reversed(client.events(job.id))
    ]
    return {**job.model_dump(mode="json"), "last_update": shown_time(job.last_update), "events": events}
