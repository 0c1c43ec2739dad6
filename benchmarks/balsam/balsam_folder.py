"""The Balsam that is measured: a folder of ``balsam-init``, and searches in it whose jobs no launcher takes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import uuid4

import httpx

from dh_project.hpc.balsam.client import tags
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import JobRequest, JobState
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Installation, active_installation
from dh_project.hpc.balsam.jobs.job_spec import BalsamJobSpec
from dh_project.hpc.balsam.jobs.packing import SERIAL, pack
from dh_project.hpc.balsam.jobs.place import Place
from dh_project.results.paths import SearchPaths
from dh_project.trial.attempt import Assignment, RunContext
from dh_project.trial.shape import TrialShape
from dh_project.trial.trial import State

POINT = {
    "atom_fea_len": 64,
    "batch_size": 256,
    "h_fea_len": 128,
    "lr": 0.0123456789,
    "max_num_nbr": 12,
    "n_conv": 3,
    "n_h": 1,
    "optim": "AdamW",
    "radius": 8.0,
    "weight_decay": 1.23456789e-05,
}
"""As many hyperparameters as a search of CGCNN has."""

END = {"state": State.DONE, "objective": 0.0, "reason": None, "cause": None, "facts": {}}
"""What a worker says of a trial that did its work."""

IN_ONE_UPDATE = 500


@contextmanager
def balsam_folder() -> Iterator[Installation]:
    """Yield the activated folder; where there is none, a temporary one, which takes minutes to make."""
    if FOLDER_VARIABLE in os.environ:
        yield active_installation()
        return
    from dh_project.hpc.balsam.install.services import Services
    from dh_project.hpc.balsam.install.setup import Wishes, set_up

    with tempfile.TemporaryDirectory(prefix="balsam-") as folder:
        installation = Installation(Path(folder) / "balsam")
        try:
            description = set_up(installation, Wishes(), tell)
            try:
                yield installation
            finally:
                Services(installation).end_batch_jobs(description, tell)
        finally:
            Services(installation).stop(tell)


def tell(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


class Request(NamedTuple):
    """A request that was answered: when it was sent, the seconds it took, and the bytes of its answer."""

    method: str
    path: str
    sent: float
    seconds: float
    received: int


class CountedClient(BalsamClient):
    """A client that keeps count of its requests."""

    requests: list[Request]

    @classmethod
    def new(cls, installation: Installation) -> CountedClient:
        """Return a client of a folder's server."""
        client = cls(installation.token_file, installation.login_file)
        client.requests = []
        return client

    def __enter__(self) -> Self:
        return self

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        sent = time.perf_counter()
        answer = super()._send(method, path, **content)
        seconds = time.perf_counter() - sent
        self.requests.append(Request(method, path, sent, seconds, answer.num_bytes_downloaded))
        return answer

    def count_jobs(self, having: dict[str, str], state: JobState) -> int:
        """Return how many jobs with these tags are in a state, without asking for the jobs."""
        query = [*_tags(having), ("state", str(state)), ("limit", "1")]
        return int(self._request("GET", "/jobs/", params=query)["count"])

    def update_in_parts(self, ids: Collection[int], **fields: Any) -> None:
        """Change jobs, all in the same way, by requests whose addresses any server takes."""
        numbers = list(ids)
        for first in range(0, len(numbers), IN_ONE_UPDATE):
            self.update_jobs(numbers[first : first + IN_ONE_UPDATE], **fields)

    def end_jobs(self, ids: Collection[int]) -> None:
        """Let jobs be over, as their workers would."""
        self.update_in_parts(ids, state=JobState.JOB_FINISHED, data={"end": END})

    def delete_jobs(self, having: dict[str, str]) -> None:
        """Delete all jobs that have these tags; the server needs seconds for a thousand."""
        ids = [job.id for job in self.jobs(having)]
        for first in range(0, len(ids), IN_ONE_UPDATE):
            part = [("id", each) for each in ids[first : first + IN_ONE_UPDATE]]
            self._request("DELETE", "/jobs/", params=part)


def _tags(having: dict[str, str]) -> list[tuple[str, str]]:
    return [("tags", f"{name}:{value}") for name, value in having.items()]


@contextmanager
def resting_place(installation: Installation, client: CountedClient, num_jobs: int) -> Iterator[Place]:
    """Yield a place for a search's jobs in which nothing runs them; its jobs and folders are removed at the end."""
    workflow = f"bench-{uuid4().hex[:8]}"
    description = installation.describe()
    app = next(app.id for app in client.apps(description.site_id) if app.name == tags.TRIAL)
    of_workflow = {tags.WORKFLOW: workflow}
    driver = JobRequest(
        app_id=app, workdir=f"{workflow}/driver", tags=of_workflow, parameters={"command": "true"}
    )
    with tempfile.TemporaryDirectory() as search:
        try:
            [job] = client.create_jobs([driver])
            yield Place(
                installation,
                client,
                workflow,
                folder=workflow,
                search=SearchPaths(Path(search)),
                packing=pack(description.node, 1, SERIAL, TrialShape(cores=None)),
                spec=BalsamJobSpec(),
                trial_app=app,
                own_job=job.id,
                most=num_jobs,
            )
        finally:
            with CountedClient.new(installation) as cleaner:
                cleaner.delete_jobs(of_workflow)
            shutil.rmtree(installation.data / workflow, ignore_errors=True)


def context_of(place: Place) -> RunContext:
    """Return what all trials of a search would share."""
    folder = place.search.folder
    return RunContext("dh_project.cgcnn_mp.model_run.run", {"epochs": 30}, str(folder), sys.path)


def assignment_of(place: Place, trial: int) -> Assignment:
    """Return the first attempt at a trial."""
    return Assignment(trial, 1, POINT, str(place.search.trials / f"{trial:04d}"))
