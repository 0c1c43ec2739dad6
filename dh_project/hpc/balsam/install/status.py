"""The status of a Balsam folder: whether each of its parts works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.address import shown
from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
from dh_project.hpc.balsam.client.credentials import read_token
from dh_project.hpc.balsam.client.models import AHEAD
from dh_project.hpc.balsam.install.agent import site_by_id
from dh_project.hpc.balsam.install.environment import fault, python_version
from dh_project.hpc.balsam.install.installation import Description, Installation
from dh_project.hpc.balsam.install.server import answers
from dh_project.hpc.balsam.install.services import Services
from dh_project.hpc.balsam.jobs.agent_contact import is_silent, seconds_silent
from dh_project.hpc.balsam.tasks.job_table import shown_span


class Part(NamedTuple):
    """The status of one part.

    Attributes:
        name: Name of the part.
        well: Whether it works.
        words: Its status in words.
    """

    name: str
    well: bool
    words: str


def parts(installation: Installation, description: Description) -> Iterator[Part]:
    """Yield the status of each part of a folder."""
    services = Services(installation)
    yield Part("folder", True, str(installation.folder))
    wrong = fault(installation)
    sound = f"Balsam {description.balsam}" + ("" if wrong else f", Python {python_version(installation)}")
    yield Part("environment", wrong is None, wrong or sound)
    host = services.elsewhere()
    if host:
        yield Part("host", False, f"it was started on {host}, and this is another machine")
    if description.owns_server:
        database = services.server.database.process()
        yield Part("database", database is not None, f"runs ({database.pid})" if database else "does not run")
    does_answer = answers(description.url)
    words = "answers" if does_answer else "does not answer"
    yield Part("server", does_answer, f"{shown(description.url)} {words}")
    yield _token(installation)
    agent = services.agent.process()
    runs = f"runs ({agent.pid})" if agent else "does not run"
    try:
        with RefusalsAreMistakes(), BalsamClient.of(installation) as client:
            site = site_by_id(client, description.site_id)
            ahead = client.batch_jobs(description.site_id, states=AHEAD)
    except UserError as error:
        yield Part("site", False, f"{description.site_name} ({description.site_type}): {error}")
        yield Part("agent", False, runs)
        return
    yield Part("site", True, f"{site.name} ({description.site_type}, number {site.id}): {site.path}")
    silent = seconds_silent(site)
    yield Part(
        "agent", agent is not None and not is_silent(site), f"{runs}, last heard of {shown_span(silent)} ago"
    )
    counts = Counter(str(job.state).replace("_", " ") for job in ahead)
    yield Part(
        "batch jobs", True, ", ".join(f"{count} {state}" for state, count in counts.items()) or "none ahead"
    )


def _token(installation: Installation) -> Part:
    try:
        token = read_token(installation.token_file)
    except UserError as error:
        return Part("token", False, str(error))
    if token.expires is None:
        return Part("token", True, "valid, without expiry")
    left = token.seconds_left()
    if left <= 0:
        return Part("token", False, f"ran out on {token.expires:%Y-%m-%d %H:%M} UTC")
    return Part("token", True, f"good for {shown_span(left)}, until {token.expires:%Y-%m-%d %H:%M} UTC")
