"""Connections to a user's own server: over a socket file, which nobody else may serve."""

import http.server
import socketserver
import threading

import httpx
import pytest

from dh_project.hpc.balsam.client.address import require_own, socket_path, socket_url
from dh_project.hpc.balsam.client.connection import http_client


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers every request, and keeps its headers in a list named ``heard``."""

    def do_GET(self):
        self.heard.append(dict(self.headers))
        self.send_response(200)
        self.end_headers()

    def address_string(self):
        return "local"

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def listener(tmp_path):
    """A program that listens on a socket file; the address, and the headers that it has heard."""
    folder = tmp_path / "a folder"
    folder.mkdir(mode=0o700)
    heard = []
    handler = type("Handler", (Recorder,), {"heard": heard})
    with socketserver.UnixStreamServer(str(folder / "server.sock"), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield socket_url(folder / "server.sock"), heard
        server.shutdown()


def test_the_address_of_a_socket_file_holds_its_path(tmp_path):
    path = tmp_path / "a b%c" / "server.sock"
    assert socket_path(socket_url(path)) == path
    assert socket_path("https://balsam.example.org") is None


def test_a_client_speaks_over_a_socket_file(listener):
    url, heard = listener
    with http_client(url, timeout=5.0) as client:
        assert client.get("/sites/", headers={"Authorization": "Bearer secret"}).is_success
    assert heard[0]["Authorization"] == "Bearer secret"


def test_a_listener_in_a_folder_that_others_may_write_in_hears_nothing(listener):
    url, heard = listener
    socket_path(url).parent.chmod(0o777)
    with (
        http_client(url, timeout=5.0) as client,
        pytest.raises(httpx.ConnectError, match="another program may listen there"),
    ):
        client.get("/sites/", headers={"Authorization": "Bearer secret"})
    assert heard == []


def test_a_folder_of_another_user_is_not_ones_own(tmp_path):
    tmp_path.chmod(0o700)
    require_own(tmp_path / "server.sock")
    with pytest.raises(PermissionError, match="is not this user's alone"):
        require_own(tmp_path / "server.sock", user=tmp_path.stat().st_uid + 1)
