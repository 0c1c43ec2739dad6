"""The place of a search on a Balsam site: its batch jobs, the tags of its jobs, and the resources of each."""

from __future__ import annotations

import getpass
import math
import os
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
from dh_project.hpc.balsam.client.models import BalsamBatchJob, BalsamJob, JobRequest
from dh_project.hpc.balsam.install.installation import Installation, active_installation
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec, job_spec_of, trial_command
from dh_project.hpc.balsam.jobs.packing import Packing, pack
from dh_project.hpc.balsam.jobs.site_settings import read_site_settings
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.shape import TrialShape
from dh_project.user_code.loading import load_run

SLOTS_A_WAITING_TRIAL = 16
"""One trial waits for every so many slots. More waiting trials would be proposed from older results than needed."""

RUN_FILE = ".balsam-run"
"""File beside the folders of the trials, so that ``--fresh`` moves it aside together with them."""

STARTING_PATIENCE = 120.0
"""Seconds that a driver which is a job itself waits for a server that does not answer at its start."""


@dataclass(frozen=True)
class Place:
    """The place at which trials run, and what they take.

    Attributes:
        installation: The Balsam folder.
        client: Client of its server.
        workflow: Tag of the jobs that the launchers of the search run.
        folder: Folder of its jobs, below the site's data folder.
        search: Paths of the search.
        packing: Resources of its jobs.
        spec: Launch of a trial's job.
        trial_app: Id of the app that runs trials.
        own_job: Id of the job that this driver is, or None if it is not a job.
        own_batch_job: Id of the batch job in which the driver runs, or None.
        ahead: Number of jobs that wait while all slots are busy, so that a launcher can start one as soon as a slot
            is free.
        most: Most trials under way that the user allows, or None.
    """

    installation: Installation
    client: BalsamClient
    workflow: str
    folder: str
    search: SearchPaths
    packing: Packing
    spec: BalsamJobSpec
    trial_app: int
    own_job: int | None = None
    own_batch_job: int | None = None
    ahead: int = 1
    most: int | None = None

    @property
    def num_workers(self) -> int:
        """Most trials under way, including those that wait."""
        return self.most or self.packing.slots + self.ahead

    @cached_property
    def run(self) -> str:
        """Random id that distinguishes this search's jobs from those of other searches, and before ``--fresh``."""
        path = self.search.trials / RUN_FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, uuid4().hex[:8])
        return path.read_text()

    def tag_of_workflow(self) -> dict[str, str]:
        """Return the tag of all jobs and batch jobs of the workflow."""
        return {tags.WORKFLOW: self.workflow}

    def tags_of_trials(self) -> dict[str, str]:
        """Return the tags that only the jobs of this search's trials have."""
        return {tags.WORKFLOW: self.workflow, tags.RUN: self.run, tags.KIND: tags.TRIAL}

    def job_folder(self, assignment: Assignment) -> Path:
        """Return the folder in which the job of an attempt runs, which differs from the attempt's folder."""
        return self.installation.data / self._workdir(assignment)

    def request(self, context: RunContext, assignment: Assignment) -> JobRequest:
        """Return the job of an attempt."""
        number, attempt = str(assignment.trial), str(assignment.attempt)
        return JobRequest(
            app_id=self.trial_app,
            workdir=self._workdir(assignment),
            tags={
                **self.tags_of_trials(),
                tags.NUMBER: number,
                tags.ATTEMPT: attempt,
                tags.USER: getpass.getuser(),
                tags.NAME: f"trial {number}",
            },
            parameters={
                "command": trial_command(
                    self.spec, context, assignment, self.packing.trial, self.packing.slots
                )
            },
            # A job with a parent waits until its state is set by hand. The site's agent does not have to handle it,
            # which saves seconds, and cannot put it back into the queue while it runs.
            parent_ids=[] if self.own_job is None else [self.own_job],
            **self.packing.trial.model_dump(),
        )

    def _workdir(self, assignment: Assignment) -> str:
        return f"{self.folder}/jobs/{self.run}/{assignment.trial:04d}-{assignment.attempt}"


def find_place(run: str, settings: EvaluatorSettings) -> Place:
    """Find the place of a search: the batch job around this process, or a batch job of the search's workflow.

    Args:
        run: Name or path of the run function.
        settings: The shape of a trial, and the workflow.

    Raises:
        UserError: If no Balsam folder is active, its server does not answer, or no batch job serves the workflow.
        Unavailable: If the server does not answer a driver that is a job itself. This is not a mistake of the user,
            and Balsam may run the job again.
    """
    installation = active_installation()
    description = installation.describe()
    own_id = int(os.environ.get("BALSAM_JOB_ID", "0")) or None
    client = BalsamClient.of(installation, patience=0.0 if own_id is None else STARTING_PATIENCE)
    with RefusalsAreMistakes() if own_id is None else nullcontext():
        own = client.job(own_id) if own_id else None
        told = own.tags.get(tags.WORKFLOW) if own else None
        workflow = told or settings.workflow or settings.folder.absolute().name
        batch = _batch_job(client, own, workflow)
        apps = {app.name: app.id for app in client.apps(description.site_id)}
    client.patience = 0.0
    if tags.TRIAL not in apps:
        raise UserError(
            f"{installation.folder}: the site's apps are missing; mend it with: deephyper balsam-init "
            f"{installation.folder}"
        )
    spec = job_spec_of(load_run(run), read_site_settings(installation).image)
    packing = pack(
        description.node,
        batch.num_nodes,
        batch.job_mode,
        shape_of(spec, settings.shape),
        settings.trials_per_node,
    )
    usual = math.ceil(packing.slots / SLOTS_A_WAITING_TRIAL) if packing.is_tight else 0
    return Place(
        installation,
        client,
        workflow,
        own.workdir if own else workflow,
        SearchPaths(settings.folder.absolute()),
        packing,
        spec,
        apps[tags.TRIAL],
        own_job=own_id,
        own_batch_job=batch.id if own else None,
        ahead=usual if settings.trials_ahead is None else settings.trials_ahead,
        most=settings.num_workers,
    )


def _batch_job(client: BalsamClient, own: BalsamJob | None, workflow: str) -> BalsamBatchJob:
    """Return the batch job in which trials run: the driver's own, or the first of its workflow that has not ended."""
    if own is not None and own.batch_job_id is not None:
        return client.batch_jobs(ids=[own.batch_job_id])[0]
    ahead = [batch for batch in client.batch_jobs(tags={tags.WORKFLOW: workflow}) if batch.state.is_ahead]
    if not ahead:
        raise UserError(
            f"--evaluator balsam: no batch job of workflow {workflow!r} is queued or runs; submit the search with: "
            f"deephyper balsam-submit hps {workflow}"
        )
    return ahead[0]


def shape_of(spec: BalsamJobSpec, asked: TrialShape) -> TrialShape:
    """Return what one trial takes: what the user asks for, completed by the run function's own launch."""
    nodes = max(asked.nodes, spec.num_nodes)
    return TrialShape(
        processes=nodes * max(asked.processes_per_node, spec.ranks_per_node),
        nodes=nodes,
        cores=asked.cores or spec.threads_per_rank,
        gpus=spec.gpus_per_rank if asked.gpus is None else asked.gpus,
    )
