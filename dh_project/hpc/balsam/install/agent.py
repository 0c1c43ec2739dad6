"""The agent of a site: it submits batch jobs, and moves jobs through the states before and after they run."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress

import psutil

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.client import BalsamClient
from dh_project.hpc.balsam.client.models import BalsamSite
from dh_project.hpc.balsam.install.daemons import Daemons
from dh_project.hpc.balsam.install.environment import INSIDE, variables
from dh_project.hpc.balsam.install.installation import Installation

NAME = "agent"

START_SECONDS, STOP_SECONDS = 60.0, 30.0

PROGRAMS = ("inside/agent.py", "balsam.site.service.main")
"""Last words of an agent's command line: this package's agent, and Balsam's own."""


class Agent:
    """The agent of a folder's site.

    Args:
        installation: The folder.
        daemons: The processes of the folder.
    """

    def __init__(self, installation: Installation, daemons: Daemons) -> None:
        self._at, self._daemons = installation, daemons
        self._number_file = installation.site / "balsam-service.pid"
        self._log = installation.site / "log" / "agent.log"

    def process(self) -> psutil.Process | None:
        """Return the agent's process, if it runs."""
        return self._daemons.process(NAME)

    def start(self, site_id: int, client: BalsamClient) -> bool:
        """Start the agent and wait until the server hears of it; return whether it had to be started.

        Raises:
            UserError: The agent does not start, or runs on another host.
        """
        if self.process() is not None:
            return False
        self._remove_number_of_the_dead()
        before = site_by_id(client, site_id).last_refresh
        process = self._daemons.start(
            NAME,
            [self._at.python, "-P", INSIDE / "agent.py"],
            variables(self._at),
            self._at.site,
            self._log,
        )
        self._daemons.wait(
            process,
            lambda: site_by_id(client, site_id).last_refresh > before,
            "the site's agent",
            self._log,
            START_SECONDS,
        )
        return True

    def stop(self) -> bool:
        """Stop the agent; return whether it ran."""
        was_there = self._daemons.stop(NAME, signal.SIGTERM, STOP_SECONDS)
        with suppress(UserError):
            self._remove_number_of_the_dead()
        return was_there

    def _remove_number_of_the_dead(self) -> None:
        """Remove the file by which Balsam knows a running agent, if that agent is dead."""
        try:
            host, number = self._number_file.read_text().split()[:2]
        except FileNotFoundError:
            return
        except ValueError:
            host, number = socket.gethostname(), "0"
        if host != socket.gethostname():
            raise UserError(
                f"{self._number_file}: the site's agent runs on {host}; stop it there, or remove this file if "
                "that machine is gone"
            )
        with suppress(psutil.Error, ValueError):
            if any(word.endswith(PROGRAMS) for word in psutil.Process(int(number)).cmdline()):
                raise UserError(
                    f"{self._number_file}: an agent that was started by other means runs as process {number}; stop "
                    "it with: balsam site stop"
                )
        self._number_file.unlink(missing_ok=True)


def site_by_id(client: BalsamClient, site_id: int) -> BalsamSite:
    """Return the site with an id.

    Raises:
        UserError: The server knows no such site.
    """
    found = next((site for site in client.sites() if site.id == site_id), None)
    if found is None:
        raise UserError(f"{client.server}: the server does not know this site (number {site_id}) any more")
    return found
