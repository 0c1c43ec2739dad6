"""Addresses of Balsam servers: ``https://...``, or a socket file of a user's own server.

The file of a user's own server lies in a folder that nobody else can enter. So no other user can connect, and no
other user can listen in the server's place and receive the token or the password. This module is also copied into
Balsam's environment, so it imports only the standard library.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote

SCHEME = "http+unix://"


def socket_url(path: Path) -> str:
    """Return the address of a server that listens on a socket file.

    Example:
        >>> socket_url(Path("/home/ada/polydb/private/server.sock"))
        'http+unix://%2Fhome%2Fada%2Fpolydb%2Fprivate%2Fserver.sock'
    """
    return SCHEME + quote(str(path), safe="")


def socket_path(url: str) -> Path | None:
    """Return the socket file of an address, or None if it is the address of a host.

    Example:
        >>> socket_path("http+unix://%2Fhome%2Fada%2Fserver.sock").name
        'server.sock'
    """
    return Path(unquote(url.removeprefix(SCHEME).partition("/")[0])) if url.startswith(SCHEME) else None


def shown(url: str) -> str:
    """Return an address for readers: the path of a socket file, or the URL of a host."""
    return str(socket_path(url) or url)


def require_own(socket: Path, user: int | None = None) -> None:
    """Check that only this user can listen on a socket file. Call it before each request.

    Args:
        socket: The file, which need not exist.
        user: Number of the user; None for the user of this process.

    Raises:
        PermissionError: Its folder belongs to another user, or others may write in it.
    """
    folder = socket.parent.stat()
    if folder.st_uid != (os.getuid() if user is None else user) or folder.st_mode & 0o022:
        raise PermissionError(
            f"{socket.parent} is not this user's alone, so another program may listen there"
        )
