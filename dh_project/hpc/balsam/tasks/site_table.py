"""The sites of a Balsam server as rows of the same table as the sites that have a site file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import AHEAD, BatchState
from dh_project.hpc.balsam.tasks.job_table import shown_time
from dh_project.hpc.batch_jobs.site_table import COLUMNS, Row, queue_cells


def balsam_site_rows(client: BalsamClient) -> list[Row]:
    """Return one row for each queue of the user's sites, and one for a site whose agent has not started yet.

    The columns ``queued`` and ``running`` count the user's batch jobs that were made through Balsam.
    """
    rows = []
    ahead = client.batch_jobs(states=AHEAD)
    number = Counter((job.site_id, job.queue, job.state is BatchState.RUNNING) for job in ahead)
    for site in client.sites():
        about = {
            "site": site.name,
            "scheduler": "balsam",
            "here": Path(site.path).is_dir(),
            "title": f"site of the Balsam server {client.server}",
            "file": site.path,
            "last_heard": shown_time(site.last_refresh),
            "projects": " ".join(site.allowed_projects),
        }
        for cells in [queue_cells(name, queue) for name, queue in site.queues.items()] or [{"queue": None}]:
            waiting, running = number[site.id, cells["queue"], False], number[site.id, cells["queue"], True]
            told = {**about, **cells, "queued": waiting, "running": running}
            rows.append({name: told.get(name) for name in COLUMNS})
    return rows
