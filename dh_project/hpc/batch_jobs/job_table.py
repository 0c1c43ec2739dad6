"""Batch jobs of ``deephyper submit`` as a table: one row for each job, with the progress of its search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.hpc.batch_jobs.record import BatchJob, recorded_jobs
from dh_project.hpc.batch_jobs.scheduler import scheduler_of
from dh_project.results.history import Replay
from dh_project.results.paths import SearchPaths

COLUMNS = (
    *("id", "site", "state", "queue", "nodes", "minutes", "after", "submitted"),
    *("ended", "max_evals", "best", "search"),
)
"""``ended`` counts the trials of the search that have ended; ``best`` is the largest objective."""

LEFT = "left the queue"
"""State of a job that the scheduler does not list any more: it has ended, or was taken out."""

Row = dict[str, Any]


@dataclass
class JobTable:
    """Rows of batch jobs, and what could not be read for them.

    Attributes:
        rows: One for each job, the newest first. ``state`` is None if the scheduler cannot be asked here.
        warnings: A line for each search or scheduler that could not be read.
    """

    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def job_table(folders: Iterable[Path]) -> JobTable:
    """Return the batch jobs of searches. Each scheduler is asked once.

    Args:
        folders: The folders of the searches.
    """
    table = JobTable()
    jobs: list[tuple[BatchJob, Path]] = []
    for folder in folders:
        try:
            jobs += [(job, folder) for job in recorded_jobs(folder)]
        except (UserError, OSError) as error:
            table.warnings.append(str(error))
    states = _states([job for job, _ in jobs], table.warnings)
    progress = {folder: _progress(folder, table.warnings) for folder in {folder for _, folder in jobs}}
    for job, folder in sorted(jobs, key=lambda each: each[0].when, reverse=True):
        cells = {
            "id": job.job,
            "site": job.site,
            "state": states.get((job.site, job.job)),
            "queue": job.queue,
            "nodes": job.nodes,
            "minutes": job.minutes,
            "after": job.after,
            "submitted": job.when.isoformat(timespec="seconds"),
            "search": str(folder),
            **progress[folder],
        }
        table.rows.append({name: cells.get(name) for name in COLUMNS})
    return table


def _states(jobs: list[BatchJob], warnings: list[str]) -> dict[tuple[str, str], str]:
    """Return the state of each job by its site and id, as far as the schedulers of the sites can be asked here."""
    states: dict[tuple[str, str], str] = {}
    for site, name in dict.fromkeys((job.site, job.scheduler) for job in jobs):
        ids = [job.job for job in jobs if job.site == site]
        try:
            listed = scheduler_of(name, site).states(ids)
        except UserError as error:
            warnings.append(f"the states of jobs at {site} are not known here: {error}")
            continue
        states.update({(site, number): listed.get(number, LEFT) for number in ids})
    return states


def _progress(folder: Path, warnings: list[str]) -> Row:
    """Return the cells that tell how far a search has come; none if it has not begun."""
    search = Replay(SearchPaths(folder), with_reports=False)
    sessions = []
    try:
        for records in search.reader.new():
            search.take(records)
            sessions += [record for record in records if record["kind"] == "session"]
    except (UserError, OSError) as error:
        warnings.append(str(error))
        return {}
    history = search.history
    last = sessions[-1] if sessions else {}
    most = last.get("max_evals")
    return {
        "ended": len(history.ended) if sessions else None,
        "max_evals": most and most * last.get("replicates", 1),  # trials, as those that have ended
        "best": history.replicates_of(history.best).mean if history.best else None,
    }
