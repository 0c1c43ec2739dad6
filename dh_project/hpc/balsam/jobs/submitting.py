"""Makes a search's job and its batch job at a Balsam site, and undoes both if a step fails."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

from dh_project.common.errors import UserError, unknown
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient, Refused, Unavailable
from dh_project.hpc.balsam.client.models import (
    BalsamBatchJob,
    BalsamJob,
    BalsamSite,
    BatchState,
    JobRequest,
    JobResources,
    JobState,
)
from dh_project.hpc.balsam.install.environment import require_environment
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Installation, active_installation
from dh_project.hpc.balsam.install.programs import program
from dh_project.hpc.balsam.jobs.batch_request import BalsamRequest
from dh_project.hpc.balsam.jobs.chain import batch_jobs_of
from dh_project.hpc.balsam.jobs.orders import ORDERS
from dh_project.hpc.balsam.jobs.site_settings import SiteSettings, read_site_settings
from dh_project.hpc.balsam.jobs.submission import CRASHES, OVER, Over, Submission

SECONDS_TO_SUBMIT = 10.0
"""Time for the site's agent to submit a batch job, so that the scheduler's answer can be shown."""

SECONDS_TO_SETTLE = 10.0
"""Time for a driver whose search is over to end, and for the agent to handle its job."""

AT_WORK = (JobState.RUN_DONE, JobState.RUN_ERROR, JobState.RUN_TIMEOUT, JobState.POSTPROCESSED)
"""States in which the site's agent decides about a job."""


@dataclass(frozen=True)
class Target:
    """The site that a search is submitted to.

    Attributes:
        installation: The Balsam folder.
        client: Client of its server.
        site: The site.
        settings: The user's settings of it.
    """

    installation: Installation
    client: BalsamClient
    site: BalsamSite
    settings: SiteSettings

    def folder(self, workdir: str) -> Path:
        """Return the folder of a job of the site."""
        return self.installation.data / workdir


def find_target(where: str | None) -> Target:
    """Return the site to submit to, after checking its environment and its server.

    Args:
        where: A Balsam folder, or a site's name on the activated one's server; None for the activated one.

    Raises:
        UserError: There is none, or something of it is broken.
    """
    installation = _installation(where)
    require_environment(installation)
    settings = read_site_settings(installation)
    client = BalsamClient.of(installation)
    number = installation.describe().site_id
    site = next((site for site in client.sites() if site.id == number), None)
    if site is None:
        raise UserError(
            f"{installation.folder}: the server does not know its site any more; mend it with: "
            f"deephyper balsam-init {installation.folder}"
        )
    return Target(installation, client, site, settings)


def check_is_new(target: Target, workflow: str) -> None:
    """Check that the site has no jobs of a workflow.

    Raises:
        UserError: It has.
    """
    if next(islice(target.client.iterate_jobs({tags.WORKFLOW: workflow}, site_id=target.site.id), 1), None):
        raise UserError(
            f"There are already jobs matching workflow {workflow}; please remove these, or use a unique workflow "
            f"name; to continue it: --resume"
        )


def search_job(target: Target, workflow: str) -> BalsamJob:
    """Return the job of a submitted search.

    Raises:
        UserError: There is no such search.
    """
    jobs = target.client.jobs({tags.WORKFLOW: workflow, tags.KIND: tags.SEARCH}, site_id=target.site.id)
    if not jobs:
        others = target.client.jobs({tags.KIND: tags.SEARCH}, site_id=target.site.id)
        names = sorted({job.tags.get(tags.WORKFLOW, "") for job in others})
        raise unknown("workflow", workflow, names)
    return jobs[0]


def check_is_idle(target: Target, workflow: str, job: BalsamJob) -> None:
    """Check that a search can be continued: it neither runs nor waits for a batch job.

    Raises:
        UserError: It does.
    """
    folder = target.folder(job.workdir)
    limit = time.monotonic() + SECONDS_TO_SETTLE
    while time.monotonic() < limit and (
        job.state in AT_WORK or (job.state is JobState.RUNNING and Over.read(folder) is not None)
    ):
        time.sleep(0.5)
        job = target.client.job(job.id)
    batch_jobs = batch_jobs_of(target.client, target.site.id, workflow)
    ahead = [each for each in batch_jobs if each.state.is_ahead]
    if not ahead or job.state in (JobState.JOB_FINISHED, JobState.FAILED):
        return
    does = "runs" if job.state is JobState.RUNNING else f"waits ({job.state})"
    raise UserError(
        f"workflow {workflow}: its search {does}, and batch job {ahead[0].id} is {ahead[0].state}; there is nothing "
        f"to resume; look with: deephyper tasks show --workflow {workflow}"
    )


def new_request(app_id: int, workflow: str, resources: JobResources) -> JobRequest:
    """Return the job of a new search."""
    run = uuid4().hex[:8]
    return JobRequest(
        app_id=app_id,
        workdir=f"{workflow}/{workflow}_{run}",
        tags={
            tags.WORKFLOW: workflow,
            tags.KIND: tags.SEARCH,
            tags.RUN: run,
            tags.USER: getpass.getuser(),
            tags.NAME: workflow,
        },
        parameters={"command": driver_command()},
        **resources.model_dump(),
    )


def driver_command() -> str:
    """Return the shell text of a search's job: this interpreter, with the user's ``PYTHONPATH``."""
    words = program("dh_project.hpc.balsam.jobs.driver")
    if path := os.environ.get("PYTHONPATH"):
        absolute = [str(Path(each).absolute()) for each in path.split(os.pathsep) if each]
        words = ["env", f"PYTHONPATH={os.pathsep.join(absolute)}", *words]
    return f"exec {shlex.join(words)}"


@contextmanager
def making_job(target: Target, request: JobRequest, submission: Submission) -> Iterator[BalsamJob]:
    """Make a search's folder and its job; remove both if the block raises.

    Raises:
        UserError: Another submission of the same name was faster.
    """
    folder = target.folder(request.workdir)
    work = target.settings.work_directory
    real = folder if work is None else work / request.workdir
    job = None
    try:
        real.mkdir(parents=True)
        if real != folder:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(real)
        submission.write(folder)
        [job] = target.client.create_jobs([request])
        if search_job(target, submission.workflow).id != job.id:
            check_is_new(target, submission.workflow)
        yield job
    except BaseException:
        if job is not None:
            _delete(target.client, job.id)
        if real != folder:
            folder.unlink(missing_ok=True)
        shutil.rmtree(real, ignore_errors=True)
        for parent in {real.parent, folder.parent}:  # the folder of the workflow, if it is empty
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def waking_job(target: Target, job: BalsamJob, submission: Submission) -> Iterator[BalsamJob]:
    """Let a search's job run again with a new submission; undo that if the block raises."""
    folder = target.folder(job.workdir)
    before = Submission.read(folder)
    over = folder / OVER
    aside = over.with_name(f".{OVER}")
    command = JobRequest(app_id=job.app_id, workdir=job.workdir, parameters={"command": driver_command()})
    submission.write(folder)
    for name in (ORDERS, CRASHES):
        (folder / name).unlink(missing_ok=True)
    if over.exists():
        over.replace(aside)
    try:
        again = JobState.PREPROCESSED if job.state is JobState.RESTART_READY else JobState.RESTART_READY
        parameters = command.body()["serialized_parameters"]
        target.client.update_job(job.id, state=again, serialized_parameters=parameters)
        yield job
    except BaseException:
        before.write(folder)
        if aside.exists():
            aside.replace(over)
            with suppress(Unavailable, Refused):
                target.client.update_job(job.id, state=job.state)
        raise
    aside.unlink(missing_ok=True)


def submit(
    target: Target, batch_request: BalsamRequest, workflow: str, is_agent_there: bool
) -> BalsamBatchJob:
    """Make the batch job of a workflow, and wait some seconds for the site's agent to submit it.

    Raises:
        UserError: The scheduler refuses it.
    """
    client = target.client
    batch_job = client.create_batch_job(batch_request.body(target.site.id, workflow))
    limit = time.monotonic() + (SECONDS_TO_SUBMIT if is_agent_there else 0.0)
    try:
        while batch_job.state is BatchState.PENDING_SUBMISSION and time.monotonic() < limit:
            time.sleep(0.5)
            [batch_job] = client.batch_jobs(ids=[batch_job.id])
    except (Unavailable, Refused):  # the batch job exists, and the agent will submit it
        return batch_job
    except BaseException:
        with suppress(Unavailable, Refused):
            client.delete_batch_job(batch_job.id)
        raise
    if batch_job.state is BatchState.SUBMIT_FAILED:
        raise UserError(f"batch job {batch_job.id} is refused: {why_refused(batch_job)}")
    return batch_job


def why_refused(batch_job: BalsamBatchJob) -> str:
    """Return in one line why the site's agent could not submit a batch job."""
    said = (batch_job.status_info or {}).get(
        "error", "the site's agent does not say why; see the log in its site"
    )
    return " ".join(said.split())


def _installation(where: str | None) -> Installation:
    if where is None or Path(where).is_dir():
        return active_installation(Path(where) if where else None)
    if FOLDER_VARIABLE not in os.environ:
        raise UserError(
            f"--site {where}: there is no such folder; a site's name is looked up on the server of the Balsam folder "
            f"that is activated, and none is"
        )
    with BalsamClient.of(active_installation()) as client:
        sites = {site.name: site for site in client.sites()}
    if where not in sites:
        raise unknown("site or Balsam folder", where, sites)
    folder = Path(sites[where].path).parent
    if not folder.is_dir():
        raise UserError(f"--site {where}: its folder {folder} is not on this machine; submit where it is")
    return active_installation(folder)


def _delete(client: BalsamClient, job_id: int) -> None:
    """Delete a job. The site's agent may hold it for a moment, so try several times."""
    with suppress(Unavailable, Refused):
        for _ in range(10):
            client.delete_job(job_id)
            if not client.jobs(ids=[job_id]):
                return
            time.sleep(0.5)
