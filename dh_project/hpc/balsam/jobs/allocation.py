"""What a batch job asks of a site, and whether the site has a queue that gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from dh_project.common.errors import UserError, did_you_mean
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.models import BatchRequest, Queue, Site

LAUNCHER_MINUTES = 2
"""Balsam's launcher ends that long before its batch job."""

SILENT_SECONDS = 180.0
"""An agent that has not looked in for so long does not run: it does at least once a minute."""


@dataclass(frozen=True)
class Allocation:
    """What a batch job asks for."""

    queue: str
    project: str
    num_nodes: int
    minutes: int
    job_mode: str

    def request(self, site_id: int, workflow: str) -> BatchRequest:
        """Return the batch job in which the jobs of a workflow run."""
        return BatchRequest(
            site_id=site_id,
            num_nodes=self.num_nodes,
            wall_time_min=self.minutes,
            job_mode=self.job_mode,
            queue=self.queue,
            project=self.project,
            filter_tags={tags.WORKFLOW: workflow},
        )


def check_minutes(minutes: int) -> None:
    """Check that a batch job leaves time for anything.

    Raises:
        UserError: It does not.
    """
    if minutes <= LAUNCHER_MINUTES:
        raise UserError(
            f"-t {minutes}: Balsam's launcher ends {LAUNCHER_MINUTES} minutes before its batch job; give at least "
            f"{LAUNCHER_MINUTES + 1}"
        )


def check_margin(minutes: int, job_mode: str, margin: float | None) -> None:
    """Check that the margin leaves a search time in a batch job.

    Raises:
        UserError: It does not, so that drivers would only wait for the batch job's end.
    """
    ahead = 2 * LAUNCHER_MINUTES if job_mode == "mpi" else LAUNCHER_MINUTES  # in mpi mode it goes off twice
    seconds = 60 * max(1, minutes - ahead)
    if margin is not None and margin >= seconds:
        raise UserError(
            f"--margin {margin:g}: no time is left to search; of -t {minutes} the search has {seconds} seconds"
        )


def check_allocation(site: Site, asked: Allocation, chain: int) -> None:
    """Check that a site has the queue and the project, and that the queue gives so much.

    Raises:
        UserError: It does not.
    """
    queues, projects, extra = _rules(site)
    if queues and asked.queue not in queues:
        raise UserError(
            f"-q {asked.queue}: site {site.name} has no such queue{did_you_mean(asked.queue, queues)}; it has: "
            f"{', '.join(map(_limits, queues, queues.values()))}"
        )
    if asked.queue in queues:
        _check_size(site, queues, asked)
    if not asked.project:
        known = f"; it has: {', '.join(projects)}" if projects else ""
        raise UserError(f"-A: site {site.name} demands a project that pays{known}")
    if projects and asked.project not in projects:
        raise UserError(
            f"-A {asked.project}: not a project of site {site.name}{did_you_mean(asked.project, projects)}; it has: "
            f"{', '.join(projects)}"
        )
    if chain > 1 and extra and "after" not in extra:
        raise UserError(
            f"--chain {chain}: site {site.name} does not know how one batch job waits for another; mend it with: "
            f"deephyper balsam-init {Path(site.path).parent}"
        )


def is_silent(site: Site) -> bool:
    """Say whether the site's agent has not been heard of for long."""
    return seconds_silent(site) > SILENT_SECONDS


def seconds_silent(site: Site) -> float:
    """Return for how long the site's agent has not been heard of."""
    return (datetime.now(UTC) - site.last_refresh).total_seconds()


def _check_size(site: Site, queues: Mapping[str, Queue], asked: Allocation) -> None:
    limits = queues[asked.queue]
    if asked.num_nodes <= limits.max_nodes and asked.minutes <= limits.max_walltime:
        return
    wrong = (
        f"-n {asked.num_nodes}: queue {asked.queue} gives at most {limits.max_nodes} nodes"
        if asked.num_nodes > limits.max_nodes
        else f"-t {asked.minutes}: queue {asked.queue} gives at most {limits.max_walltime} minutes"
    )
    others = [
        name
        for name, queue in queues.items()
        if asked.num_nodes <= queue.max_nodes and asked.minutes <= queue.max_walltime
    ]
    advice = f"what takes this: {', '.join(others)}" if others else f"no queue of site {site.name} takes this"
    raise UserError(f"{wrong}; {advice}")


def _limits(name: str, queue: Queue) -> str:
    return f"{name} ({queue.max_nodes} nodes, {queue.max_walltime} minutes)"


def _rules(site: Site) -> tuple[dict[str, Queue], list[str], dict[str, str]]:
    """Return a site's queues, projects and further parameters: the server's word, or the settings' before that."""
    if site.allowed_queues:
        return site.allowed_queues, site.allowed_projects, site.optional_batch_job_params
    try:
        content: Any = yaml.safe_load((Path(site.path) / "settings.yml").read_text(encoding="utf-8"))
        rules = content["scheduler"]
        queues = {name: Queue.model_validate(queue) for name, queue in rules["allowed_queues"].items()}
        return queues, list(rules["allowed_projects"]), dict(rules["optional_batch_job_params"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return {}, [], {}  # the agent judges
