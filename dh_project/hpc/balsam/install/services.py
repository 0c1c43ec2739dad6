"""Starts and stops the services of a Balsam folder: its database, its server, and the agent of its site."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from filelock import Timeout

from dh_project.common.errors import UserError
from dh_project.common.file_lock import file_lock
from dh_project.hpc.balsam.client.address import shown
from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
from dh_project.hpc.balsam.client.credentials import read_token
from dh_project.hpc.balsam.client.models import AHEAD, BatchState
from dh_project.hpc.balsam.install.agent import Agent
from dh_project.hpc.balsam.install.apps import register_apps
from dh_project.hpc.balsam.install.daemons import Daemons
from dh_project.hpc.balsam.install.environment import refresh, require_environment, require_its_packages
from dh_project.hpc.balsam.install.installation import Description, Installation
from dh_project.hpc.balsam.install.server import OwnServer, answers

END_OF_BATCH_JOBS = 90.0
"""Seconds to wait until deleted batch jobs have ended."""

Tell = Callable[[str], None]


def silently(line: str) -> None:
    """Print nothing."""


class Services:
    """The services of a Balsam folder.

    Args:
        installation: The folder.
    """

    def __init__(self, installation: Installation) -> None:
        self.at = installation
        self._daemons = Daemons(installation.server / "processes.json")
        self.server = OwnServer(installation, self._daemons)
        self.agent = Agent(installation, self._daemons)

    def elsewhere(self) -> str | None:
        """Return the other host on which the services run."""
        return self._daemons.elsewhere()

    def start_server(self, tell: Tell) -> None:
        """Start the folder's own database and server, unless they run."""
        tell(f"database  {_done(self.server.database.start())}")
        tell(f"server    {_done(self.server.start())}: {shown(self.server.url)}")

    def start(self, description: Description, tell: Tell) -> None:
        """Start the services that do not run, and wait until each answers.

        Raises:
            UserError: A service does not start, or runs on another host.
        """
        self.refuse_other_hosts()
        if refresh(self.at):
            self.agent.stop()
            self.server.stop()
        require_environment(self.at)
        try:
            self._start_all(description, tell)
        except UserError:
            require_its_packages(self.at)  # if that is the reason, this says how to mend it
            raise

    def _start_all(self, description: Description, tell: Tell) -> None:
        if description.owns_server:
            self.start_server(tell)
            self.server.renew_token()
        elif not answers(description.url):
            raise UserError(f"{description.url}: no Balsam server answers there; ask those who run it")
        elif read_token(self.at.token_file).seconds_left() <= 0:
            raise UserError(
                f"{description.url}: the token has expired; log in with: deephyper balsam-init {self.at.folder}"
            )
        with RefusalsAreMistakes(), BalsamClient.of(self.at) as client:
            if register_apps(self.at, client, description.site_id) and self.agent.stop():
                tell("agent     stopped: the site's apps are new")
            started = self.agent.start(description.site_id, client)
        tell(f"agent     {_done(started)}: site {description.site_name} ({description.site_type})")

    def stop(self, tell: Tell) -> None:
        """Stop agent, server and database, in this order. Running batch jobs continue."""
        for name, service in (
            ("agent", self.agent),
            ("server", self.server),
            ("database", self.server.database),
        ):
            tell(f"{name:9} {'stopped' if service.stop() else 'was not running'}")

    def running_batch_jobs(self, description: Description) -> int:
        """Return how many batch jobs run; 0 if the server does not answer."""
        with suppress(UserError), RefusalsAreMistakes(), BalsamClient.of(self.at) as client:
            return len(client.batch_jobs(description.site_id, states=[BatchState.RUNNING]))
        return 0

    def end_batch_jobs(self, description: Description, tell: Tell) -> None:
        """Delete the site's batch jobs, and wait until its agent has ended them.

        Raises:
            UserError: The agent does not run, or the batch jobs do not end.
        """
        with RefusalsAreMistakes(), BalsamClient.of(self.at) as client:
            ahead = client.batch_jobs(description.site_id, states=AHEAD)
            if ahead and self.agent.process() is None:
                raise UserError(
                    f"{self.at.folder}: only the site's agent can end {count(len(ahead), 'batch job')}, and it does "
                    f"not run; start it with: deephyper balsam-start {self.at.folder}"
                )
            for job in ahead:
                client.delete_batch_job(job.id)
            limit = time.monotonic() + END_OF_BATCH_JOBS
            states = (*AHEAD, BatchState.PENDING_DELETION)
            while left := client.batch_jobs(description.site_id, states=states):
                if time.monotonic() > limit:
                    raise UserError(
                        f"{self.at.folder}: {count(len(left), 'batch job')} did not end; see {self.at.site / 'log'}"
                    )
                time.sleep(0.5)
            tell(f"ended     {count(len(ahead), 'batch job')}")

    def refuse_other_hosts(self) -> None:
        """Make sure that no service of the folder runs on another host.

        Raises:
            UserError: A service runs there.
        """
        host = self.elsewhere()
        if host:
            raise UserError(
                f"{self.at.folder}: it was started on {host}; go on there, or stop it there first (deephyper "
                f"balsam-stop); if that machine is gone, remove {self.at.server / 'processes.json'}"
            )


def count(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _done(started: bool) -> str:
    return "started" if started else "runs"


@contextmanager
def at_work(installation: Installation) -> Iterator[None]:
    """Keep other commands from starting and stopping services of a folder.

    Raises:
        UserError: Another command does so now.
    """
    try:
        lock = file_lock(installation.folder / ".lock", wait=False)
    except Timeout:
        raise UserError(
            f"{installation.folder}: another balsam-init, balsam-start or balsam-stop is at work there; wait for it"
        ) from None
    with lock:
        yield
