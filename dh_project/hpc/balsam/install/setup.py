"""Makes a Balsam folder, or the missing parts of one (``deephyper balsam-init``)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.common.files import write_whole
from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
from dh_project.hpc.balsam.client.credentials import write_token
from dh_project.hpc.balsam.client.login import (
    ask_for_token,
    asks_for_password,
    check_url,
    is_logged_in,
    log_in_by_device,
)
from dh_project.hpc.balsam.install.environment import (
    BALSAM,
    fault,
    find_python,
    make_environment,
    python_version,
    refresh,
    works,
)
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Description, Installation
from dh_project.hpc.balsam.install.services import Services, Tell, at_work, silently
from dh_project.hpc.balsam.install.site import LOCAL, RETIRED, check_site_type, make_site

ALLOWED_IN_PATHS = re.compile(r"[\w./+,=:@%~-]+")
"""Characters of paths: Balsam's launchers write paths into command lines without quotes."""

ALLOWED_IN_PROJECTS = re.compile(r"\w[\w.+:@-]*", re.ASCII)
"""Characters of project names, which become words of batch scripts."""

SHORTEST_TOKEN = 0.01
"""Shortest lifetime of a token in hours: processes renew their tokens, but not before each request."""

ACTIVATE = """\
# To be sourced by a shell: . {file}
{folder_variable}={folder}
BALSAM_SITE_PATH={site}
BALSAM_CLIENT_PATH={token}
export {folder_variable} BALSAM_SITE_PATH BALSAM_CLIENT_PATH
# last, for its interpreter must not hide this project's
case ":$PATH:" in
*:{programs}:*) ;;
*) PATH="$PATH":{programs} ;;
esac
export PATH
"""


@dataclass(frozen=True)
class Wishes:
    """The options of ``balsam-init``. None keeps the earlier choice, or takes the default.

    Attributes:
        server: Address of a hosted server; None for a server of the folder's own.
        site_type: ``local``, or a named system.
        site_name: The site's name on the server.
        projects: Projects that can pay for batch jobs.
        token_hours: Lifetime of its tokens.
        user: User name at a hosted server.
        password_from_stdin: Read the password at a hosted server from standard input.
        python: Interpreter to make Balsam's environment with.
    """

    server: str | None = None
    site_type: str | None = None
    site_name: str | None = None
    projects: tuple[str, ...] = ()
    token_hours: float | None = None
    user: str | None = None
    password_from_stdin: bool = False
    python: Path | None = None


def set_up(installation: Installation, wishes: Wishes, tell: Tell) -> Description:
    """Make a Balsam folder, or mend the broken parts of one, and start its services.

    Args:
        installation: The folder.
        wishes: What the user asks for.
        tell: Where lines for the user go.

    Raises:
        UserError: The folder is something else, or something cannot be made.
    """
    before = _present(installation)
    wishes = _settled(installation, wishes, before)
    services = Services(installation)
    # check everything first, before spending a minute or writing a file
    log_in = _way_to_log_in(installation, wishes)
    python = find_python(wishes.python) if fault(installation) else None
    installation.folder.mkdir(parents=True, exist_ok=True)
    with at_work(installation):
        services.refuse_other_hosts()
        _make_folders(installation)
        _mend_environment(installation, services, python, tell)
        tell(f"Balsam    {BALSAM}, on Python {python_version(installation)}, in {installation.environment}")
        log_in()
        if wishes.server is None:
            _prepare_server(services, wishes)
        description = _make_site(installation, services, wishes, tell)
        _write_activate(installation)
        services.start(description, tell)
        installation.write_description(description)
    return description


def _way_to_log_in(installation: Installation, wishes: Wishes) -> Callable[[], None]:
    """Return a function that logs in to a hosted server. A password is asked for and tried at once."""
    url = wishes.server
    if url is None or is_logged_in(installation, url):
        return lambda: None
    if asks_for_password(url):
        token = ask_for_token(url, wishes.user, wishes.password_from_stdin)
        return lambda: write_token(installation.token_file, token)
    return lambda: log_in_by_device(installation, url)


def _make_folders(installation: Installation) -> None:
    _log(installation).touch()
    installation.private.mkdir(mode=0o700, exist_ok=True)
    installation.private.chmod(0o700)
    installation.server.mkdir(mode=0o711, exist_ok=True)


def _mend_environment(
    installation: Installation, services: Services, python: Path | None, tell: Tell
) -> None:
    if refresh(installation):
        services.stop(silently)
    if not works(installation):
        services.stop(silently)
        make_environment(installation, python or find_python(None), tell)


def _prepare_server(services: Services, wishes: Wishes) -> None:
    """Start the folder's own server, create its tables and its user, and get a token."""
    if services.server.configure(wishes.token_hours):
        services.agent.stop()
    services.server.database.start()
    services.server.prepare()
    services.server.start()
    services.server.renew_token()


def _make_site(installation: Installation, services: Services, wishes: Wishes, tell: Tell) -> Description:
    site_type = wishes.site_type or LOCAL
    with RefusalsAreMistakes(), BalsamClient.of(installation) as client:
        site = make_site(installation, site_type, wishes.site_name, wishes.projects, client)
        url = client.url
    if site.changed:
        services.agent.stop()
    if site_type in RETIRED:
        tell(f"note      {site_type} was switched off; its settings are kept for old data")
    if site_type != LOCAL and wishes.server is None:
        tell(
            f"note      only this machine reaches the server; for the compute nodes of {site_type}, use --server URL"
        )
    for name in site.kept:
        tell(f"kept      {installation.site / name}, which was edited")
    return Description(
        balsam=BALSAM,
        site_type=site_type,
        site_name=site.name,
        site_id=site.id,
        url=url,
        owns_server=wishes.server is None,
        node=site.node,
    )


def _present(installation: Installation) -> Description | None:
    """Return the description of a folder; None if it is empty or unfinished.

    Raises:
        UserError: The folder is something else.
    """
    folder = installation.folder
    if not ALLOWED_IN_PATHS.fullmatch(str(folder)):
        raise UserError(
            f"{folder}: Balsam's launchers cannot work in a folder whose path has spaces or special characters of a "
            "shell; choose another"
        )
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name a new or empty folder")
    if installation.description_file.exists():
        try:
            return installation.describe()
        except UserError:
            return None
    if folder.exists() and any(folder.iterdir()) and not _log(installation).exists():
        raise UserError(f"{folder}: this folder is not empty; name a new or empty folder")
    return None


def _settled(installation: Installation, wishes: Wishes, before: Description | None) -> Wishes:
    """Return the options, with the earlier choices filled in.

    Raises:
        UserError: An option is impossible, or contradicts the folder.
    """
    site_type = wishes.site_type or (before.site_type if before else LOCAL)
    check_site_type(site_type)
    for project in wishes.projects:
        if not ALLOWED_IN_PROJECTS.fullmatch(project):
            raise UserError(
                f"-A {project!r}: this is no project's name; it has letters, digits and any of '_.+:@-'"
            )
    server = check_url(wishes.server) if wishes.server else None
    if before:
        if site_type != before.site_type:
            raise UserError(
                f"--site-type {site_type}: {installation.folder} is a site of type {before.site_type}; make another "
                "folder for this one"
            )
        if server and (before.owns_server or server != before.url):
            its = "one of its own" if before.owns_server else before.url
            raise UserError(
                f"--server {server}: {installation.folder} has a site at another server, {its}; make another folder "
                "for this one"
            )
        server = None if before.owns_server else before.url
    if server:
        if wishes.token_hours is not None:
            raise UserError(
                f"--token-hours {wishes.token_hours:g}: this option is for the folder's own server, and --server "
                "names a hosted one"
            )
    elif wishes.user or wishes.password_from_stdin:
        raise UserError(
            "--user and --password-stdin: the folder's own server asks for no login; leave them out"
        )
    if wishes.token_hours is not None and wishes.token_hours < SHORTEST_TOKEN:
        raise UserError(f"--token-hours {wishes.token_hours:g}: too short; give at least {SHORTEST_TOKEN:g}")
    return replace(wishes, server=server, site_type=site_type)


def _write_activate(installation: Installation) -> None:
    text = ACTIVATE.format(
        file=installation.activate,
        folder_variable=FOLDER_VARIABLE,
        folder=shlex.quote(str(installation.folder)),
        site=shlex.quote(str(installation.site)),
        token=shlex.quote(str(installation.token_file)),
        programs=shlex.quote(str(installation.environment / "bin")),
    )
    write_whole(installation.activate, text)


def _log(installation: Installation) -> Path:
    """Return the log of the installation. It is the first file written, and marks an unfinished folder."""
    return installation.folder / "balsam-init.log"
