"""A site on a real server without an agent, so that jobs stay in the state that a test sets."""

from pathlib import Path
from uuid import uuid4

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import (
    BalsamBatchJob,
    BalsamJob,
    BatchRequest,
    BatchState,
    JobRequest,
    JobState,
)


class AgentlessSite:
    """Creates jobs, batch jobs and sessions of launchers.

    Attributes:
        path: Its folder.
        workflow: A name that no other test uses.
    """

    def __init__(self, client: BalsamClient, path: Path) -> None:
        self.client, self.path, self.workflow = client, path, f"flow-{uuid4().hex[:6]}"
        (path / "data").mkdir(parents=True)
        told = {"name": f"site-{uuid4().hex[:6]}", "path": str(path), "allowed_projects": ["gold", "iron"]}
        limits = {"max_nodes": 4, "max_walltime": 60, "max_queued_jobs": 20}
        told |= {"allowed_queues": {"debug": limits, "prod": {**limits, "max_nodes": 99}}}
        self.id, self.name = self._post("/sites/", told)["id"], told["name"]
        self.apps = {name: self._make_app(name) for name in ("search", "trial", "other")}

    def remove(self) -> None:
        """Delete the site and all of its jobs from the server."""
        self.client._request("DELETE", f"/sites/{self.id}")

    def job(self, kind: str, state: JobState = JobState.PREPROCESSED, data=None, **tags: str) -> BalsamJob:
        """Create a job of a search, of a trial, or of another app."""
        ours = {"workflow": self.workflow, "kind": kind, "user": "ada"} if kind != "other" else {}
        workdir = f"{self.workflow}/{uuid4().hex[:6]}"
        request = JobRequest(app_id=self.apps[kind], workdir=workdir, tags={**ours, **tags}, data=data or {})
        return self.put(self.client.create_jobs([request])[0], state)

    def trial(
        self, number: int, state: JobState = JobState.PREPROCESSED, data=None, attempt: int = 1
    ) -> BalsamJob:
        """Make a trial's job."""
        named = {"number": str(number), "attempt": str(attempt), "name": f"trial {number}", "run": "1"}
        return self.job("trial", state, data, **named)

    def put(self, job: BalsamJob, state: JobState) -> BalsamJob:
        """Move a job to a state."""
        self.client.update_job(job.id, state=state)
        return self.client.job(job.id)

    def batch_job(self, state: BatchState, scheduler_id: int | None = None) -> BalsamBatchJob:
        """Make a batch job of the workflow."""
        made = self.client.create_batch_job(
            BatchRequest(
                site_id=self.id,
                num_nodes=2,
                wall_time_min=30,
                job_mode="mpi",
                queue="debug",
                project="gold",
                filter_tags={"workflow": self.workflow},
            )
        )
        self.move(made, state, scheduler_id)
        return self.client.batch_jobs(ids=[made.id])[0]

    def move(self, batch_job: BalsamBatchJob, state: BatchState, scheduler_id: int | None = None) -> None:
        """Move a batch job to a state."""
        fields = {"state": state} if scheduler_id is None else {"state": state, "scheduler_id": scheduler_id}
        self.client._request("PUT", f"/batch-jobs/{batch_job.id}", json=fields)

    def take(self, batch_job: BalsamBatchJob | None = None) -> set[int]:
        """Take all jobs of the workflow that can run, as a launcher does, and return their numbers."""
        number = batch_job.id if batch_job else None
        session = self._post("/sessions/", {"site_id": self.id, "batch_job_id": number})["id"]
        wish = {"max_num_jobs": 100, "filter_tags": {"workflow": self.workflow}}
        return {job["id"] for job in self._post(f"/sessions/{session}", wish)}

    def folder(self, job: BalsamJob) -> Path:
        """Return a job's folder."""
        return self.path / "data" / job.workdir

    def _post(self, path: str, content: object):
        return self.client._request("POST", path, json=content)

    def _make_app(self, name: str) -> int:
        told = {"site_id": self.id, "name": name, "serialized_class": "", "source_code": "", "parameters": {}}
        return self._post("/apps/", {**told, "transfers": {}, "description": ""})["id"]
