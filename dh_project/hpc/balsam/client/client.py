"""A client of Balsam's REST interface, over httpx.

Every request has a time limit. A request that does not get through is repeated for as long as the caller's patience
lasts, and an expired token is renewed once. Nothing of Balsam is imported, because Balsam cannot share an environment
with DeepHyper.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from dh_project.common.errors import UserError, one_line
from dh_project.hpc.balsam.client.address import shown
from dh_project.hpc.balsam.client.connection import http_client
from dh_project.hpc.balsam.client.credentials import read_token, renew
from dh_project.hpc.balsam.client.models import (
    App,
    BalsamBatchJob,
    BalsamJob,
    BalsamSite,
    BatchRequest,
    BatchState,
    JobEvent,
    JobRequest,
    JobState,
)
from dh_project.hpc.balsam.install.installation import Installation

TIME_LIMIT = httpx.Timeout(60.0, connect=10.0)

PAGE = 2000
"""Jobs in one answer."""

MOST_IN_BULK = 1000
"""Jobs in one request. Balsam takes 5000, but answers no other request meanwhile."""


IDS_OF_A_REQUEST = 500
"""Largest number of job ids in the address of a request."""


class ServerError(Exception):
    """The server did not do what was asked."""


class Unavailable(ServerError):
    """The server does not answer, or answers that it cannot now; the same request may succeed later."""


class Unauthorized(ServerError):
    """The server does not accept the token, and only a login by the user gives another."""


class Refused(ServerError):
    """The server refuses the request, and would refuse it again."""


class BalsamClient:
    """A client of one server. Several threads may use it.

    Args:
        token_file: File that holds the token.
        login_file: File that holds the login for renewing the token; it need not exist.
        patience: Seconds for which a request that does not get through is repeated.
    """

    def __init__(self, token_file: Path, login_file: Path, patience: float = 0.0) -> None:
        self._token_file, self._login_file, self.patience = token_file, login_file, patience
        self._token = read_token(token_file)
        self._http = http_client(self._token.url, timeout=TIME_LIMIT)

    @classmethod
    def of(cls, installation: Installation, patience: float = 0.0) -> BalsamClient:
        """Return a client of the server of a Balsam folder."""
        return cls(installation.token_file, installation.login_file, patience)

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._token.url

    @property
    def server(self) -> str:
        """Address of the server for readers."""
        return shown(self._token.url)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> BalsamClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- sites, apps, batch jobs

    def sites(self) -> list[BalsamSite]:
        """Return the user's sites."""
        return [BalsamSite.model_validate(each) for each in self._pages("/sites/")]

    def create_site(self, name: str, path: Path) -> BalsamSite:
        """Make a site."""
        return BalsamSite.model_validate(
            self._request("POST", "/sites/", json={"name": name, "path": str(path)})
        )

    def update_site(self, site_id: int, **fields: Any) -> None:
        """Change a site: ``name=``, ``path=``."""
        self._request("PUT", f"/sites/{site_id}", json=fields)

    def delete_site(self, site_id: int) -> None:
        """Delete a site with all of its jobs."""
        self._request("DELETE", f"/sites/{site_id}")

    def apps(self, site_id: int) -> list[App]:
        """Return the apps of a site."""
        return [App.model_validate(each) for each in self._pages("/apps/", {"site_id": site_id})]

    def batch_jobs(
        self,
        site_id: int | None = None,
        tags: Mapping[str, str] | None = None,
        states: Collection[BatchState] = (),
        ids: Collection[int] = (),
    ) -> list[BalsamBatchJob]:
        """Return batch jobs that meet all given conditions, the oldest first."""
        query = {
            "site_id": site_id,
            "filter_tags": _pairs(tags),
            "state": [str(state) for state in states],
            "id": list(ids),
        }
        return [BalsamBatchJob.model_validate(each) for each in self._pages("/batch-jobs/", query)]

    def create_batch_job(self, request: BatchRequest) -> BalsamBatchJob:
        """Ask the site's agent to submit a batch job."""
        return BalsamBatchJob.model_validate(self._request("POST", "/batch-jobs/", json=request.model_dump()))

    def delete_batch_job(self, batch_job_id: int) -> None:
        """Ask the site's agent to take a batch job out of the queue, or to end it if it runs.

        A batch job that is not in the queue yet is marked as finished instead: the agent's scheduler service would
        crash if it were asked to delete a job that has no number in the queue.
        """
        [batch_job] = self.batch_jobs(ids=[batch_job_id])
        state = BatchState.FINISHED if batch_job.scheduler_id is None else BatchState.PENDING_DELETION
        self._request("PUT", f"/batch-jobs/{batch_job_id}", json={"state": state})

    # ---- jobs

    def job(self, job_id: int) -> BalsamJob:
        """Return a job."""
        return BalsamJob.model_validate(self._request("GET", f"/jobs/{job_id}"))

    def jobs(
        self,
        tags: Mapping[str, str] | None = None,
        ids: Collection[int] = (),
        states: Collection[JobState] = (),
        site_id: int | None = None,
        updated_after: datetime | None = None,
    ) -> list[BalsamJob]:
        """Return the jobs that meet all given conditions, by ascending id."""
        return list(self.iterate_jobs(tags, ids, states, site_id, updated_after))

    def iterate_jobs(
        self,
        tags: Mapping[str, str] | None = None,
        ids: Collection[int] = (),
        states: Collection[JobState] = (),
        site_id: int | None = None,
        updated_after: datetime | None = None,
        ordering: str | None = None,
    ) -> Iterator[BalsamJob]:
        """Yield jobs, and request a further page only when it is needed."""
        query = {
            "tags": _pairs(tags),
            "id": list(ids),
            "state": [str(state) for state in states],
            "site_id": site_id,
            "last_update_after": updated_after.isoformat() if updated_after else None,
            "ordering": ordering,
        }
        return (BalsamJob.model_validate(each) for each in self._pages("/jobs/", query))

    def create_jobs(self, requests: Sequence[JobRequest]) -> list[BalsamJob]:
        """Create jobs in as few requests as possible. A request that is repeated may create some of them twice."""
        jobs: list[BalsamJob] = []
        for first in range(0, len(requests), MOST_IN_BULK):
            bodies = [request.body() for request in requests[first : first + MOST_IN_BULK]]
            jobs += [BalsamJob.model_validate(each) for each in self._request("POST", "/jobs/", json=bodies)]
        return jobs

    def update_job(self, job_id: int, **fields: Any) -> None:
        """Change one job: ``state=``, ``data=``, ``tags=``."""
        self._request("PUT", f"/jobs/{job_id}", json=fields)

    def update_jobs(self, ids: Collection[int], states: Collection[JobState] = (), **fields: Any) -> int:
        """Change several jobs in the same way. Balsam loses fields if one request changes jobs in different ways.

        Args:
            ids: Ids of the jobs.
            states: Only those that are in one of these states when the server changes them.
            fields: The new values.

        Returns:
            The number of changed jobs.
        """
        changed, wanted = 0, list(ids)
        for first in range(0, len(wanted), IDS_OF_A_REQUEST):
            these = wanted[first : first + IDS_OF_A_REQUEST]
            query = _query({"id": these, "state": [str(state) for state in states]})
            changed += self._request("PUT", "/jobs/", params=query, json=fields)
        return changed

    def delete_job(self, job_id: int, states: Collection[JobState] = ()) -> None:
        """Delete a job, unless a launcher has taken it (see :meth:`jobs`) or it is in none of the given states."""
        query = _query({"id": [job_id], "state": [str(state) for state in states]})
        self._request("DELETE", "/jobs/", params=query)

    def events(self, job_id: int) -> list[JobEvent]:
        """Return the events of a job, the latest first."""
        return [JobEvent.model_validate(each) for each in self._pages("/events/", {"job_id": [job_id]})]

    # ---- requests

    def _pages(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            params = [*_query(query or {}), ("limit", PAGE), ("offset", offset)]
            page = self._request("GET", path, params=params)
            yield from page["results"]
            offset += len(page["results"])
            if not page["results"] or offset >= page["count"]:
                return

    def _request(self, method: str, path: str, **content: Any) -> Any:
        """Send a request and return the content of the answer.

        Raises:
            Unavailable: The server does not answer within the caller's patience.
            Unauthorized: The token has expired, and the user must log in.
            Refused: The server refuses the request.
        """
        again = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=0.2, max=10.0),
            stop=stop_after_delay(self.patience),
            reraise=True,
        )
        return again(self._ask, method, path, **content)

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        answer = self._send(method, path, **content)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = renew(self._token_file, self._login_file, self._token)
            if token is None:
                raise Unauthorized(
                    f"{self.server}: the token has expired; log in with: deephyper balsam-init "
                    f"{self._token_file.parent.parent}"
                )
            self._token = token
            answer = self._send(method, path, **content)
        if (
            answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            or answer.status_code == httpx.codes.UNAUTHORIZED
        ):
            raise Unavailable(f"{self.server}: the server answered {answer.status_code} to {method} {path}")
        if answer.is_error:
            raise Refused(
                f"{self.server}: {method} {path}: {answer.status_code} {one_line(answer.text)[:300]}"
            )
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise Refused(
                f"{self.server}: this is not a Balsam server: {one_line(answer.text)[:100]}"
            ) from None

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            headers = {"Authorization": f"Bearer {self._token.text}"}
            return self._http.request(method, path, headers=headers, **content)
        except httpx.HTTPError as error:
            said = one_line(error) or type(error).__name__
            raise Unavailable(f"{self.server}: the Balsam server does not answer ({said[:150]})") from None


class RefusalsAreMistakes:
    """For commands: turns errors of the server into one line for the user."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Unavailable):
            raise UserError(
                f"{error}; look with: deephyper balsam-status, start it with: deephyper balsam-start"
            ) from None
        if isinstance(error, ServerError):
            raise UserError(str(error)) from None


def _pairs(tags: Mapping[str, str] | None) -> list[str]:
    return [f"{name}:{value}" for name, value in (tags or {}).items()]


def _query(conditions: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the parameters of a query; None and empty values are no conditions."""
    query: list[tuple[str, Any]] = []
    for name, value in conditions.items():
        values: Iterable[Any] = value if isinstance(value, list) else [] if value is None else [value]
        query += [(name, each) for each in values]
    return query
