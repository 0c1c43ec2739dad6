"""HTTP connections to a Balsam server, by its address."""

from __future__ import annotations

from pathlib import Path

import httpx

from dh_project.hpc.balsam.client.address import require_own, socket_path


def http_client(url: str, timeout: httpx.Timeout | float) -> httpx.Client:
    """Return an HTTP client of a server. Paths of requests are relative to the address.

    Args:
        url: Address of the server: ``http://``, ``https://``, or a socket file.
        timeout: Time limit of a request in seconds.

    Raises:
        httpx.InvalidURL: The text is no address.
    """
    socket = socket_path(url)
    if socket is None:
        return httpx.Client(base_url=url, timeout=timeout)
    return httpx.Client(base_url="http://localhost", timeout=timeout, transport=OwnSocket(socket))


class OwnSocket(httpx.HTTPTransport):
    """Sends requests to a socket file, as long as it lies in a folder of this user.

    Args:
        socket: The file.
    """

    def __init__(self, socket: Path) -> None:
        super().__init__(uds=str(socket))
        self._socket = socket

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            httpx.ConnectError: The folder of the file is not this user's, or nobody listens.
        """
        try:
            require_own(self._socket)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from None
        return super().handle_request(request)
