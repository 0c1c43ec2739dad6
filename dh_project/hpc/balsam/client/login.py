"""Logging in to a hosted server: only the token is stored, not the login."""

from __future__ import annotations

import getpass
import subprocess
import sys

import httpx

from dh_project.common.errors import UserError, one_line
from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
from dh_project.hpc.balsam.client.credentials import Login, Token, log_in, read_token, write_token
from dh_project.hpc.balsam.install.environment import variables
from dh_project.hpc.balsam.install.installation import Installation

PASSWORD, DEVICE = "LoginMethod.password", "LoginMethod.oauth_device"

LONG_ENOUGH = 3600.0
"""Seconds for which a stored token must still be valid to be used."""


def check_url(url: str) -> str:
    """Return the address of a server in its normal form.

    Raises:
        UserError: The text is no address.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host:
        raise UserError(f"--server {url}: this is no address; write it with http:// or https://")
    return url.rstrip("/")


def asks_for_password(url: str) -> bool:
    """Return whether a server wants a password, and not a login with a browser.

    Raises:
        UserError: No Balsam server answers there, or it offers no known kind of login.
    """
    try:
        answer = httpx.get(f"{url}/auth/how", timeout=15.0, follow_redirects=True).raise_for_status()
        ways = [str(way) for way in answer.json()]
    except httpx.HTTPStatusError as error:
        raise UserError(
            f"--server {url}: no Balsam server answers there (it answers {error.response.status_code})"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:
        raise UserError(f"--server {url}: no Balsam server answers there ({one_line(error)[:150]})") from None
    if DEVICE not in ways and PASSWORD not in ways:
        raise UserError(
            f"--server {url}: it offers {', '.join(ways) or 'no way'} to log in, which Balsam's client does not know"
        )
    return DEVICE not in ways


def is_logged_in(installation: Installation, url: str) -> bool:
    """Return whether there is a token that this server accepts and that is valid for a while."""
    try:
        token = read_token(installation.token_file)
        if token.url != url or token.seconds_left() < LONG_ENOUGH:
            return False
        with RefusalsAreMistakes(), BalsamClient.of(installation) as client:
            client.sites()
    except UserError:
        return False
    return True


def ask_for_token(url: str, user: str | None, password_from_stdin: bool) -> Token:
    """Ask the user for name and password, and return the token that a server gives for them.

    Args:
        url: Address of the server.
        user: Name there; None to ask for it.
        password_from_stdin: Read the password from standard input's first line.

    Raises:
        UserError: They are wrong, or cannot be asked for.
    """
    if user is None:
        if password_from_stdin or not sys.stdin.isatty():
            raise UserError("--user is missing, and there is no terminal to ask for the name at")
        user = input(f"user name at {url}: ").strip()
    password = _password(password_from_stdin)
    if not user or not password:
        raise UserError(f"{url}: the {'password' if user else 'user name'} is empty")
    return log_in(url, Login(username=user, password=password))


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise UserError(
            "there is no terminal to ask for the password at; give it with: --password-stdin < FILE"
        )
    return getpass.getpass("password: ")


def log_in_by_device(installation: Installation, url: str) -> None:
    """Log in with Balsam's own program, which shows an address that the user opens in a browser.

    Raises:
        UserError: The login fails.
    """
    installation.private.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = subprocess.run(
        [installation.environment / "bin" / "balsam", "login", "--url", url, "--force"],
        env=variables(installation),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise UserError(f"--server {url}: the login failed: {one_line(said[-1])[:200]}")
    token = read_token(installation.token_file)
    write_token(installation.token_file, Token(token.url, token.text, token.expires))
