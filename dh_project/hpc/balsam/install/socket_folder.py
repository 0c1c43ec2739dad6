"""Folders of socket files: only the user can enter them, and their paths are short enough for a socket."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from dh_project.common.errors import UserError

LONGEST_SOCKET = 103
"""Longest path of a socket file in bytes, on every system (Linux takes 107)."""


def socket_file(wished: Path, owners: Collection[int] = ()) -> Path:
    """Return the path of a socket file, in a folder that exists and that only this user can enter.

    If the path is too long for a socket, the folder is one in ``/tmp`` whose name is made of the wished one.

    Args:
        wished: The path that the file has if it is short enough.
        owners: Numbers of further users to whom the folder may belong.

    Raises:
        UserError: The folder belongs to another user.
    """
    socket = wished
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        key = hashlib.sha256(os.fsencode(wished.parent)).hexdigest()[:12]
        socket = Path("/tmp") / f"dh_project-{os.getuid()}-{key}" / wished.name
    folder = socket.parent
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), *owners):
        raise UserError(f"{folder}: this folder is another user's, and so would be the socket; remove it")
    folder.chmod(0o700)
    return socket
