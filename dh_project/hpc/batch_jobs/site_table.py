"""The sites that have a site file as a table: one row for each queue, or for each size range of a queue."""

from __future__ import annotations

import fnmatch
import os
import shutil
import socket
from typing import Any

from dh_project.hpc.batch_jobs.scheduler import SCHEDULERS
from dh_project.hpc.sites.facts import Site
from dh_project.hpc.sites.queues import Queue

Row = dict[str, Any]

COLUMNS = (
    *("site", "scheduler", "here", "title", "queue", "min_nodes", "max_nodes", "min_minutes", "max_minutes"),
    *("jobs_per_user", "queued", "running", "projects", "last_heard", "note", "file"),
)
"""Columns of a table of sites; a site of a Balsam server has the same."""

CLUSTER_VARIABLES = ("NERSC_HOST", "LMOD_SYSTEM_NAME")
"""Variables in which login nodes hold the name of their cluster."""


def site_rows(site: Site) -> list[Row]:
    """Return the rows of a site: one for each queue and size range, or a single row if no queue is known."""
    about = {
        "site": site.name,
        "scheduler": site.scheduler,
        "here": is_here(site),
        "title": site.title,
        "file": str(site.file),
    }
    if site.retired is not None:
        return [_row(about, note=site.retired)]
    rows = [_row(about, **limits) for name, queue in site.queues.items() for limits in _limits(name, queue)]
    return rows or [_row(about, note="no queue is known: the scheduler checks nodes and time")]


def queue_cells(name: str, queue: Queue) -> Row:
    """Return the cells of a queue that has no size ranges."""
    return {
        "queue": name,
        "min_nodes": queue.min_nodes,
        "max_nodes": queue.max_nodes,
        "min_minutes": queue.min_minutes,
        "max_minutes": queue.max_minutes,
        "jobs_per_user": queue.jobs_per_user,
    }


def is_here(site: Site) -> bool:
    """Return whether batch jobs can be submitted to a site from this machine.

    The commands of its scheduler must be on ``PATH``. If the site file lists ``hosts``, the name of this host or of
    its cluster must match one of them.
    """
    scheduler = SCHEDULERS.get(site.scheduler)
    if site.retired is not None or scheduler is None or shutil.which(scheduler.submit_command) is None:
        return False
    names = [socket.getfqdn(), *(os.environ.get(variable, "") for variable in CLUSTER_VARIABLES)]
    return not site.hosts or any(fnmatch.filter(names, pattern) for pattern in site.hosts)


def _limits(name: str, queue: Queue) -> list[Row]:
    """Return the cells of a queue, once for each of its size ranges."""
    cells = queue_cells(name, queue)
    cells["note"] = "; ".join(filter(None, ("by request" if queue.by_request else "", queue.note))) or None
    if not queue.tiers:
        return [cells]
    return [
        {
            **cells,
            "min_nodes": tier.min_nodes,
            "max_nodes": tier.max_nodes,
            "max_minutes": queue.longest(tier.min_nodes),
        }
        for tier in queue.tiers
    ]


def _row(about: Row, **cells: Any) -> Row:
    return {name: {**about, **cells}.get(name) for name in COLUMNS}
