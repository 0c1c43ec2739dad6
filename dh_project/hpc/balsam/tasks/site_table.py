"""A user's sites as a table: one row a queue, with its limits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import AHEAD, BatchState, Queue
from dh_project.hpc.balsam.tasks.table import shown_span, shown_time

COLUMNS = (
    "id",
    "name",
    "path",
    "last_heard",
    "queue",
    "max_nodes",
    "max_walltime",
    "max_queued_jobs",
    "queued",
    "running",
    "projects",
)

OF_SITE = ("id", "name", "path", "last_heard", "projects")
"""Columns that say the same in all rows of a site."""


def site_rows(client: BalsamClient) -> list[dict[str, Any]]:
    """Return one row a queue of the user's sites, and one for a site that has told of none yet.

    ``max_walltime`` is in minutes; ``queued`` and ``running`` count the user's batch jobs made through Balsam.
    """
    rows = []
    ahead = client.batch_jobs(states=AHEAD)
    number = Counter((job.site_id, job.queue, job.state is BatchState.RUNNING) for job in ahead)
    for site in client.sites():
        told = {
            "id": site.id,
            "name": site.name,
            "path": site.path,
            "last_heard": shown_time(site.last_refresh),
            "projects": " ".join(site.allowed_projects),
        }
        queues: dict[str, Queue | None] = {**site.allowed_queues} or {"": None}
        for queue, limits in queues.items():
            cells = {
                **told,
                "queue": queue or None,
                **(limits.model_dump() if limits else {}),
                "queued": number[site.id, queue, False],
                "running": number[site.id, queue, True],
            }
            rows.append({name: cells.get(name) for name in COLUMNS})
    return rows


def for_reading(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as a terminal shows them: a site is told of once, and how long ago it was heard of."""
    shown, last = [], None
    for row in rows:
        if row["id"] == last:
            shown.append({**row, **dict.fromkeys(OF_SITE)})
        else:
            ago = (datetime.now(UTC) - datetime.fromisoformat(row["last_heard"])).total_seconds()
            shown.append({**row, "last_heard": f"{shown_span(ago)} ago"})
        last = row["id"]
    return shown
