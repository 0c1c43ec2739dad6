"""The user's own server: Balsam's server and its database, each on a socket file that no other user can reach."""

from __future__ import annotations

import getpass
import json
import secrets
import signal
from pathlib import Path

import httpx
import psutil
from pydantic import BaseModel, ValidationError

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.address import socket_url
from dh_project.hpc.balsam.client.connection import http_client
from dh_project.hpc.balsam.client.credentials import Login, log_in, write_private, write_token
from dh_project.hpc.balsam.install.daemons import Daemons
from dh_project.hpc.balsam.install.database import Database
from dh_project.hpc.balsam.install.environment import run_inside, variables
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.install.socket_folder import socket_file

NAME = "server"

START_SECONDS, STOP_SECONDS = 60.0, 20.0

TOKEN_HOURS = 720.0
"""Default lifetime of tokens."""

NO_REDIS = {"unix_socket_path": "/dev/null/redis", "retry": None}
"""Settings that keep Balsam's server from reporting every change to a Redis server.

It would look for its socket in ``/tmp``, where another user may listen, and try for four seconds at each change.
"""


class ServerSettings(BaseModel):
    """Settings that only the server may know.

    Attributes:
        secret: Key that signs its tokens.
        token_hours: Lifetime of its tokens.
    """

    secret: str
    token_hours: float


class OwnServer:
    """The server of a folder.

    Args:
        installation: The folder.
        daemons: The processes of the folder.
    """

    def __init__(self, installation: Installation, daemons: Daemons) -> None:
        self._at, self._daemons = installation, daemons
        self._settings_file = installation.private / "server.json"
        self._log = installation.server / "server.log"
        self.database = Database(installation, daemons)

    @property
    def settings(self) -> ServerSettings:
        """Settings that only the server may know.

        Raises:
            UserError: The file is missing.
        """
        found = self._settings()
        if found is None:
            raise self._unfinished("the server's settings are missing")
        return found

    @property
    def url(self) -> str:
        """Address of the server."""
        return socket_url(self._socket)

    @property
    def _socket(self) -> Path:
        return socket_file(self._at.server / "http" / "server.sock")

    def configure(self, token_hours: float | None) -> bool:
        """Choose secret and lifetime of tokens. Earlier choices stay unless others are asked for.

        Returns:
            Whether a setting changed; a running server is stopped then.
        """
        old = self._settings()
        new = ServerSettings(
            secret=old.secret if old else secrets.token_hex(32),
            token_hours=token_hours or (old.token_hours if old else TOKEN_HOURS),
        )
        if new == old:
            return False
        self.stop()
        write_private(self._settings_file, new.model_dump_json(indent=1) + "\n")
        return True

    def process(self) -> psutil.Process | None:
        """Return the server's process, if it runs."""
        return self._daemons.process(NAME)

    def start(self) -> bool:
        """Start the server; its database must run. Return whether it had to be started.

        Raises:
            UserError: The server does not start.
        """
        if self.process() is not None:
            return False
        socket = self._socket
        words: list[str | Path] = [
            *(self._at.python, "-P", "-m", "uvicorn", "dh_project_server:app"),
            *("--uds", socket, "--log-level", "warning", "--no-access-log"),
        ]
        environment = variables(self._at, self._variables())
        process = self._daemons.start(NAME, words, environment, self._at.server, self._log)
        self._daemons.wait(
            process, lambda: answers(socket_url(socket)), "the server", self._log, START_SECONDS
        )
        return True

    def stop(self) -> bool:
        """Stop the server; return whether it ran."""
        return self._daemons.stop(NAME, signal.SIGTERM, STOP_SECONDS)

    def prepare(self) -> None:
        """Create the tables and the user in a running database, if they are missing."""
        login = self._login() or Login(username=getpass.getuser(), password=secrets.token_urlsafe(32))
        run_inside(self._at, "tables.py", given=login.model_dump(), more=self._variables())
        write_private(self._at.login_file, login.model_dump_json() + "\n")

    def renew_token(self) -> None:
        """Get a token with the stored login.

        Raises:
            UserError: The login is missing, or the server rejects it.
        """
        login = self._login()
        if login is None:
            raise self._unfinished("the login is missing")
        write_token(self._at.token_file, log_in(self.url, login))

    def _login(self) -> Login | None:
        try:
            return Login.model_validate_json(self._at.login_file.read_text())
        except (OSError, ValidationError):
            return None

    def _settings(self) -> ServerSettings | None:
        try:
            return ServerSettings.model_validate_json(self._settings_file.read_text())
        except (OSError, ValidationError):
            return None

    def _unfinished(self, what: str) -> UserError:
        return UserError(
            f"{self._at.private}: {what}; mend the folder with: deephyper balsam-init {self._at.folder}"
        )

    def _variables(self) -> dict[str, str]:
        settings = self.settings
        return {
            "BALSAM_DATABASE_URL": self.database.url,
            "BALSAM_AUTH_SECRET_KEY": settings.secret,
            "BALSAM_AUTH_TOKEN_TTL": str(round(settings.token_hours * 3600)),
            "BALSAM_LOG_LEVEL": "WARNING",
            "BALSAM_REDIS_PARAMS": json.dumps(NO_REDIS),
        }


def answers(url: str) -> bool:
    """Return whether a Balsam server answers at an address."""
    try:
        with http_client(url, timeout=5.0) as client:
            answer = client.get("/auth/how")
        return answer.is_success and isinstance(answer.json(), list)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
