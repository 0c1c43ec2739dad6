"""The token that authenticates the user at a Balsam server, and its renewal."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml
from pydantic import BaseModel, ValidationError

from dh_project.common.errors import UserError, one_line
from dh_project.common.file_lock import file_lock
from dh_project.common.files import replacing
from dh_project.hpc.balsam.client.address import shown
from dh_project.hpc.balsam.client.connection import http_client

LOGIN_SECONDS = 15.0
"""Time limit of a login; a server that needs longer is held to be down."""

CLIENT_CLASS = "dh_project_client.PatientClient"
"""The client class of Balsam's own programs, in Balsam's environment, for any kind of token."""

RETRIES = 2
"""Retries of Balsam's own client. Its default repeats every refused request for half an hour."""


class Login(BaseModel):
    """Name and password at the user's own server."""

    username: str
    password: str


@dataclass(frozen=True)
class Token:
    """A token.

    Attributes:
        url: Address of the server.
        text: The token itself.
        expires: Time of expiry.
        client_class: The class by which Balsam's own client logs in.
    """

    url: str
    text: str
    expires: datetime | None
    client_class: str = CLIENT_CLASS

    def seconds_left(self) -> float:
        """Return the seconds until the token expires; a day if the file does not say."""
        return 86400.0 if self.expires is None else (self.expires - datetime.now(UTC)).total_seconds()


def read_token(path: Path) -> Token:
    """Return the token in a file that Balsam's own client reads too.

    Raises:
        UserError: There is no token.
    """
    try:
        content = yaml.safe_load(path.read_text())
        expires = content.get("token_expiry")
        if isinstance(expires, str):
            expires = datetime.fromisoformat(expires)
        if isinstance(expires, datetime):
            expires = expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires
        return Token(
            str(content["api_root"]).rstrip("/"),
            str(content["token"]),
            expires,
            str(content.get("client_class", CLIENT_CLASS)),
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no token for a Balsam server; log in with: deephyper balsam-init") from None
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise UserError(
            f"{path}: not a token of a Balsam client ({one_line(error)[:100]}); log in with: deephyper balsam-init"
        ) from None


def write_token(path: Path, token: Token) -> None:
    """Write a token in the format of Balsam's own client. Only the user may read the file."""
    content = {
        "api_root": token.url,
        "client_class": token.client_class,
        "token": token.text,
        # Balsam's client compares it with a date without a time zone
        "token_expiry": token.expires.astimezone(UTC).replace(tzinfo=None) if token.expires else None,
        "connect_timeout": 6.2,
        "read_timeout": 120.0,
        "retry_count": RETRIES,
    }
    write_private(path, yaml.safe_dump(content, sort_keys=False))


def write_private(path: Path, text: str) -> None:
    """Write a file, completely or not at all, that only the user can read at any time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        replacing(path) as aside,
        os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file,
    ):
        file.write(text)


def log_in(url: str, login: Login) -> Token:
    """Ask a server for a token.

    Raises:
        UserError: The server does not answer, is no Balsam server, or rejects the name or the password.
    """
    try:
        with http_client(url, timeout=LOGIN_SECONDS) as client:
            answer = client.post("/auth/password/login", data=login.model_dump())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(
            f"{shown(url)}: no Balsam server answers there ({one_line(error)[:100]}); start it with: "
            "deephyper balsam-start"
        ) from None
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise UserError(f"{shown(url)}: wrong user name or password for {login.username!r}")
    try:
        content = answer.raise_for_status().json()
        expires = datetime.fromisoformat(content["expiration"])
        return Token(url, content["access_token"], expires if expires.tzinfo else expires.replace(tzinfo=UTC))
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{shown(url)}: this is not a Balsam server with passwords (it answered {answer.status_code})"
        ) from None


def renew(token_file: Path, login_file: Path, refused: Token) -> Token | None:
    """Return a token that replaces a refused one; None if the user has to log in.

    Several processes share the file, so it may already hold a newer token. Otherwise the stored login gets one.

    Args:
        token_file: File that holds the token.
        login_file: File that holds the login.
        refused: The token that was refused.
    """
    with suppress(UserError), file_lock(token_file.with_name(".renewing")):
        present = read_token(token_file)
        if present.text != refused.text and present.seconds_left() > 0:
            return present
        try:
            login = Login.model_validate_json(login_file.read_text())
        except (OSError, ValidationError):
            return None
        token = log_in(refused.url, login)
        write_token(token_file, token)
        return token
    return None
