"""A client for Balsam's agent and launchers that survives a restart of the server and the expiry of a token.

The user's own server listens on a socket file.

Balsam's own client gives up after some seconds, and its process ends. It also updates several jobs in one request,
from which the server drops the fields that not all of the jobs have.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
import requests_unixsocket
import yaml
from balsam.client import BasicAuthRequestsClient, NotAuthenticatedError, urls
from balsam.util import SigHandler
from dh_project_address import SCHEME, require_own, socket_path
from requests_unixsocket.adapters import UnixAdapter

logger = logging.getLogger("balsam.client.dh_project")

PATIENCE = 3600.0
"""Seconds for which requests are repeated if the server does not answer."""

SHORT_PATIENCE = 20.0
"""Seconds for which requests are repeated if the server fails (code 500), or if the process should end."""

LONGEST_WAIT = 15.0

AWAY = (502, 503, 504)
"""Codes with which a proxy answers if the server is down."""

UNAUTHORIZED, SERVER_ERROR = 401, 500


class PatientClient(BasicAuthRequestsClient):
    """Repeats requests if the server is down, and once more with a newer token. Other errors are raised at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.token: str | None
        if _login_file().exists():  # the token can be renewed
            self._authenticated = self.token is not None
            self.expires_in = timedelta(days=3650)

    @property
    def session(self) -> requests.Session:
        """The session of this process, which can also speak to a socket file."""
        _require_own_server(self.api_root)
        session: requests.Session = super().session
        if SCHEME not in session.adapters:
            session.mount(SCHEME, UnixAdapter())
        return session

    def request(
        self,
        url: str,
        http_method: str,
        params: dict[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        authenticating: bool = False,
    ) -> Any:
        """Return the content of the server's answer."""
        if not self._authenticated and not authenticating:
            raise NotAuthenticatedError("the token has expired; log in with: deephyper balsam-init")
        address = f"{self.api_root.rstrip('/')}/{url.lstrip('/')}"
        began, tries, refused = time.monotonic(), 0, False
        while True:
            try:
                response = self._do_request(address, http_method, params, json, data)
                break
            except requests.HTTPError as error:
                code = error.response.status_code if error.response is not None else 0
                if code == UNAUTHORIZED and not refused and not authenticating and self._take_newer_token():
                    refused = True
                    continue
                if code < SERVER_ERROR:
                    raise
                patience = PATIENCE if code in AWAY else SHORT_PATIENCE
                self._wait(error, began, patience, tries)
            except (requests.ConnectionError, requests.Timeout, FileNotFoundError, PermissionError) as error:
                self._session = None
                self._wait(error, began, PATIENCE, tries)
            tries += 1
        try:
            return response.json()
        except ValueError:
            if http_method != "DELETE":
                raise
            return None

    def bulk_patch(self, url: str, list_data: list[Any]) -> Any:
        """Update several objects. The server keeps all fields if all items of a request have the same ones."""
        if url.strip("/") != "jobs":
            return super().bulk_patch(url, list_data)
        alike: dict[frozenset[str], list[Any]] = defaultdict(list)
        for item in list_data:
            alike[frozenset(item)].append(item)
        return sum(self._patch_jobs(url, items) for items in alike.values())

    def _patch_jobs(self, url: str, items: list[Any]) -> int:
        """Update jobs, and return how many; a refused job does not hold up the others."""
        try:
            return int(super().bulk_patch(url, items))
        except requests.HTTPError as error:
            if len(items) == 1:
                logger.error("the server refuses %s: %s", items[0], error)
                return 0
        return sum(self._patch_jobs(url, [item]) for item in items)

    @staticmethod
    def _wait(error: Exception, began: float, patience: float, tries: int) -> None:
        """Wait before the next try.

        Raises:
            TimeoutError: The patience is used up.
        """
        limit = min(patience, SHORT_PATIENCE) if SigHandler.is_set() else patience
        if time.monotonic() - began > limit:
            raise TimeoutError(f"the server does not answer: {error}") from error
        logger.warning("asking the server again: %s", error)
        time.sleep(min(LONGEST_WAIT, 0.5 * 2 ** min(tries, 10)) * random.uniform(0.5, 1.0))

    def _take_newer_token(self) -> bool:
        """Read a token that another process has renewed, or renew it; return whether there is a new one."""
        kept = yaml.safe_load(_token_file().read_text())["token"]
        token = kept if kept != self.token else self._log_in()
        if token is None:
            return False
        self.token = token
        self._session = None
        return True

    def _log_in(self) -> str | None:
        try:
            login = json.loads(_login_file().read_text())
            _require_own_server(self.api_root)
            answer = requests_unixsocket.post(
                f"{self.api_root.rstrip('/')}/{urls.PASSWORD_LOGIN}", data=login, timeout=(6.2, 30.0)
            )
            answer.raise_for_status()
            return str(answer.json()["access_token"])
        except (OSError, ValueError, KeyError, requests.RequestException) as error:
            logger.error("the token cannot be renewed: %s", error)
            return None


def _require_own_server(url: str) -> None:
    """Check that nobody else can listen in place of the user's own server.

    Raises:
        PermissionError: Somebody can.
    """
    socket = socket_path(url)
    if socket is not None:
        require_own(socket)


def _token_file() -> Path:
    return Path(os.environ["BALSAM_CLIENT_PATH"])


def _login_file() -> Path:
    """Return the file of the login at the user's own server, which lies beside the token."""
    return _token_file().with_name("login.json")
