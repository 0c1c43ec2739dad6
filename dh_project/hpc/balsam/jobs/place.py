"""Where a search's trials run on a Balsam site: which jobs are its own, and what each of them takes."""

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
"""One trial waits for so many slots: more of them would be proposed from older knowledge than need be."""

RUN_FILE = ".balsam-run"
"""Beside the trials' folders, with which ``--fresh`` puts it aside."""

STARTING_PATIENCE = 120.0
"""Seconds for which a server that is away is waited for when a session begins that no user looks at."""


@dataclass(frozen=True)
class Place:
    """Where trials run, and what they take.

    Attributes:
        installation: The Balsam folder.
        client: Speaks with its server.
        workflow: The tag that the launchers of the search look for.
        folder: Where its jobs run, below the site's data folder.
        search: Where the search stands.
        packing: What its jobs take.
        spec: How they are launched.
        trial_app: Number of the app that runs trials.
        own_job: The job that the driver is; None for one that is none.
        own_batch_job: The batch job that it runs in.
        ahead: Jobs that wait while every slot is busy, for a launcher to start one the moment a slot is free.
        most: Trials under way that the user allows.
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
        """Trials under way, those that wait among them."""
        return self.most or self.packing.slots + self.ahead

    @cached_property
    def run(self) -> str:
        """What tells this search's jobs from those of another of the same workflow, or before ``--fresh``."""
        path = self.search.trials / RUN_FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, uuid4().hex[:8])
        return path.read_text()

    def tag_of_workflow(self) -> dict[str, str]:
        """Return what all jobs and batch jobs of the workflow have."""
        return {tags.WORKFLOW: self.workflow}

    def tags_of_trials(self) -> dict[str, str]:
        """Return what the jobs of this search's trials have, and no others."""
        return {tags.WORKFLOW: self.workflow, tags.RUN: self.run, tags.KIND: tags.TRIAL}

    def job_folder(self, assignment: Assignment) -> Path:
        """Return the folder in which the job of an attempt runs; its trial has one of its own beside."""
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
            # a job with a parent rests until it is told otherwise: the site's agent need not see it, which saves
            # seconds, and cannot put it back into the queue when it runs already
            parent_ids=[] if self.own_job is None else [self.own_job],
            **self.packing.trial.model_dump(),
        )

    def _workdir(self, assignment: Assignment) -> str:
        return f"{self.folder}/jobs/{self.run}/{assignment.trial:04d}-{assignment.attempt}"


def find_place(run: str, settings: EvaluatorSettings) -> Place:
    """Find out where the trials of a search run: in the batch job around this process, or in those of a workflow.

    Args:
        run: Where its run function stands.
        settings: What the user asks for.

    Raises:
        UserError: No Balsam folder is active, its server does not answer, or no batch job serves the workflow.
        Unavailable: The server does not answer a job of its own, which is no mistake; the job may be run again.
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
    """Return the batch job that the trials run in: the driver's own, or the first one ahead of its workflow."""
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
