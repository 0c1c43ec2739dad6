"""Balsam's serial mode on one machine: master and worker speak through a socket file that no other user can reach."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import zmq
from balsam.site.launcher.serial_mode import entry_point
from dh_project_platform import HOST, SOCKET_VARIABLE

FILE = Path(os.environ[SOCKET_VARIABLE])


class OwnSocket(zmq.Socket):
    """A socket at that file, whatever address is given."""

    def bind(self, address: str) -> Any:
        """Listen on the socket file."""
        return super().bind(f"ipc://{FILE}")

    def connect(self, address: str) -> Any:
        """Connect to the socket file."""
        return super().connect(f"ipc://{FILE}")


def main() -> None:
    """Run the master or the worker of serial mode, as the command line says."""
    multiprocessing.set_start_method("fork", force=True)
    zmq.Context._socket_class = OwnSocket  # type: ignore[misc]
    socket.gethostname = lambda: HOST  # Balsam finds its master by this name
    try:
        entry_point()
    finally:
        if "--run-master" not in sys.argv:
            shutil.rmtree(FILE.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
