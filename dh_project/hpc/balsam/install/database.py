"""The database of the user's own server: PostgreSQL on a socket file that no other user can reach."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import psutil

from dh_project.common.files import creating
from dh_project.hpc.balsam.install.daemons import Daemons
from dh_project.hpc.balsam.install.environment import INSIDE, run_inside, run_logged, variables
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.hpc.balsam.install.socket_folder import socket_file

NAME = "database"

SOCKET = ".s.PGSQL.5432"

START_SECONDS, STOP_SECONDS = 60.0, 30.0

SETTINGS = """
# by dh_project
listen_addresses = ''
unix_socket_permissions = 0700
timezone = 'UTC'
log_timezone = 'UTC'
# as Balsam's own: a crash of the machine takes the last moments, and harms nothing else
synchronous_commit = off
"""


class Database:
    """The database of a folder.

    The operating system identifies who connects (``peer``), so there is no password, and only this user has access.

    Args:
        installation: The folder.
        daemons: The processes of the folder.
    """

    def __init__(self, installation: Installation, daemons: Daemons) -> None:
        self._at, self._daemons = installation, daemons
        self._folder = installation.server / "database"
        self._log = installation.server / "database.log"

    @property
    def url(self) -> str:
        """Address of Balsam's database."""
        return f"postgresql://postgres@/balsam?host={self._socket_folder()}"

    def process(self) -> psutil.Process | None:
        """Return the database's process, if it runs."""
        return self._daemons.process(NAME)

    def start(self) -> bool:
        """Start the database, and create it if there is none; return whether it had to be started.

        Raises:
            UserError: The database does not start.
        """
        if self.process() is not None:
            return False
        if not self._folder.exists():
            self._make()
        lock = self._folder / "postmaster.pid"
        _remove_lock_of_the_dead(lock)
        words = [*self._program("postgres"), "-D", self._folder, "-k", self._socket_folder()]
        process = self._daemons.start(NAME, words, variables(self._at), self._at.server, self._log)
        self._daemons.wait(
            process, lambda: _is_ready(lock, process.pid), "the database", self._log, START_SECONDS
        )
        return True

    def stop(self) -> bool:
        """Shut the database down; return whether it ran."""
        return self._daemons.stop(NAME, signal.SIGINT, STOP_SECONDS)

    def _make(self) -> None:
        options = ["-U", "postgres", "--auth=trust", "--no-locale", "--encoding=UTF8"]
        with creating(self._folder) as aside:
            aside.mkdir(mode=0o700)
            run_logged(
                [*self._program("initdb"), "-D", aside, *options],
                variables(self._at),
                self._log,
                "the database could not be made",
            )
            name = run_inside(self._at, "postgres.py", "--client-name")["name"]
            (aside / "pg_hba.conf").write_text("local all postgres peer map=owner\n")
            (aside / "pg_ident.conf").write_text(f'owner "{name}" postgres\n')
            with (aside / "postgresql.conf").open("a") as file:
                file.write(SETTINGS)

    def _program(self, name: str) -> list[str | Path]:
        return [self._at.python, "-P", INSIDE / "postgres.py", name]

    def _socket_folder(self) -> Path:
        """Return the folder of the socket. If root starts the database, the folder is its account's."""
        return socket_file(self._at.server / "socket" / SOCKET, owners=[self._folder.stat().st_uid]).parent


def _is_ready(lock: Path, pid: int) -> bool:
    """Return whether the last line of the database's lock file says that it is ready."""
    try:
        lines = lock.read_text().split()
    except OSError:
        return False
    return bool(lines) and lines[0] == str(pid) and lines[-1] == "ready"


def _remove_lock_of_the_dead(lock: Path) -> None:
    """Remove a lock file whose pid another program has by now: PostgreSQL would take that program for itself."""
    with suppress(OSError, ValueError, IndexError):
        number = int(lock.read_text().split()[0])
        try:
            is_dead = psutil.Process(number).name() != "postgres"
        except psutil.Error:
            is_dead = True
        if is_dead:
            lock.unlink()
