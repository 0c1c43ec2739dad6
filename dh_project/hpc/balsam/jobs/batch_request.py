"""The request for a batch job of a Balsam site, and the checks of it before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dh_project.common.errors import UserError, did_you_mean
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.models import BalsamSite, BatchRequest, queues_of
from dh_project.hpc.batch_jobs.queue_check import check_queue
from dh_project.hpc.batch_jobs.request import Request
from dh_project.hpc.sites.queues import Queue

LAUNCHER_MINUTES = 2
"""Balsam's launcher ends this many minutes before its batch job."""


@dataclass(frozen=True)
class BalsamRequest(Request):
    """A request for a batch job in which a Balsam launcher runs jobs.

    Attributes:
        job_mode: How the launcher starts jobs: ``mpi`` or ``serial``.
    """

    job_mode: str = "serial"

    def body(self, site_id: int, workflow: str) -> BatchRequest:
        """Return what is sent to the server: a batch job that runs the jobs of one workflow."""
        return BatchRequest(
            site_id=site_id,
            num_nodes=self.nodes,
            wall_time_min=self.minutes,
            job_mode=self.job_mode,
            queue=self.queue or "",
            project=self.project or "",
            filter_tags={tags.WORKFLOW: workflow},
        )


def check_minutes(minutes: int) -> None:
    """Check that a batch job is longer than the time that its launcher needs to end.

    Raises:
        UserError: It is not.
    """
    if minutes <= LAUNCHER_MINUTES:
        raise UserError(
            f"-t {minutes}: Balsam's launcher ends {LAUNCHER_MINUTES} minutes before its batch job; give at least "
            f"{LAUNCHER_MINUTES + 1}"
        )


def check_margin(minutes: int, job_mode: str, margin: float | None) -> None:
    """Check that the margin leaves time to search in a batch job.

    Raises:
        UserError: It does not, so the driver would only wait for the end of the batch job.
    """
    ahead = (
        2 * LAUNCHER_MINUTES if job_mode == "mpi" else LAUNCHER_MINUTES
    )  # in mpi mode Balsam subtracts it twice
    seconds = 60 * max(1, minutes - ahead)
    if margin is not None and margin >= seconds:
        raise UserError(
            f"--margin {margin:g}: no time is left to search; of -t {minutes} the search has {seconds} seconds"
        )


def check_balsam_request(site: BalsamSite, request: BalsamRequest, chain: int) -> None:
    """Check that a site has the queue and the project, and that the queue takes the request.

    Args:
        site: The site, as the server describes it.
        request: What is asked of it. It is for one batch job: a chain has one in the queue at a time.
        chain: How many batch jobs the search may have.

    Raises:
        UserError: It does not.
    """
    queues, projects, parameters = _rules(site)
    if queues:
        check_queue(f"site {site.name}", queues, request.queue or "", request)
    if not request.project:
        known = f"; it has: {', '.join(projects)}" if projects else ""
        raise UserError(f"-A: site {site.name} needs a project that pays{known}")
    if projects and request.project not in projects:
        raise UserError(
            f"-A {request.project}: not a project of site {site.name}{did_you_mean(request.project, projects)}; it "
            f"has: {', '.join(projects)}"
        )
    if chain > 1 and parameters and "after" not in parameters:
        raise UserError(
            f"--chain {chain}: site {site.name} does not know how one batch job waits for another; mend it with: "
            f"deephyper balsam-init {Path(site.path).parent}"
        )


def _rules(site: BalsamSite) -> tuple[dict[str, Queue], list[str], dict[str, str]]:
    """Return a site's queues, projects and further parameters.

    The server knows them once the site's agent has started. Before that they are read from the site's settings.
    """
    if site.queues:
        return site.queues, site.allowed_projects, site.optional_batch_job_params
    try:
        content: Any = yaml.safe_load((Path(site.path) / "settings.yml").read_text(encoding="utf-8"))
        rules = content["scheduler"]
        queues = queues_of(rules["allowed_queues"])
        return queues, list(rules["allowed_projects"]), dict(rules["optional_batch_job_params"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return {}, [], {}  # the agent will check the request
