"""The folders of jobs, if this machine sees them."""

from __future__ import annotations

from pathlib import Path

from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamJob, BalsamSite


class JobFolders:
    """Finds the folders of jobs. It asks the server for sites and apps once.

    Args:
        client: Client of the server.
    """

    def __init__(self, client: BalsamClient) -> None:
        self._client = client
        self._sites: dict[int, BalsamSite] = {}

    def site_of(self, job: BalsamJob) -> BalsamSite:
        """Return the site that a job belongs to."""
        if job.app_id not in self._sites:
            self._sites = {
                app.id: site for site in self._client.sites() for app in self._client.apps(site.id)
            }
        return self._sites[job.app_id]

    def of(self, job: BalsamJob) -> Path | None:
        """Return a job's folder, which need not exist yet; None if its site is on another machine."""
        data = Path(self.site_of(job).path) / "data"
        return data / job.workdir if data.is_dir() else None
