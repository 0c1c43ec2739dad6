"""What ``deephyper balsam-init`` refuses before it makes anything: one line, exit status 2."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dh_project.cli.main import main


class PasswordServer(BaseHTTPRequestHandler):
    """A server that only answers how to log in, below ``/balsam``."""

    def do_GET(self):
        is_known = self.path == "/balsam/auth/how"
        self.send_response(200 if is_known else 404)
        self.end_headers()
        self.wfile.write(b'["LoginMethod.password"]' if is_known else b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), PasswordServer)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def refused(capsys, tmp_path):
    """Return a function that runs a refused balsam-init, which makes nothing, and returns the error line."""

    def refused(*words):
        assert main(["balsam-init", str(tmp_path / "new"), *words]) == 2
        shown, errors = capsys.readouterr()
        assert (shown, errors.count("\n")) == ("", 1)
        assert not (tmp_path / "new").exists()
        return errors

    return refused


@pytest.mark.parametrize("project", ["a b", "a;b", "", "-a", "a\nb"])
def test_a_project_that_is_no_word_of_a_batch_script(refused, project):
    assert f"-A {project!r}: this is no project's name" in refused(f"--project={project}")


def test_an_empty_password_is_said_to_be_empty(refused, url, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    said = refused("--server", f"{url}/balsam", "--user", "me", "--password-stdin")
    assert "the password is empty" in said


def test_a_server_of_another_kind_is_told_by_its_answer(refused, url):
    assert refused("--server", url).endswith("no Balsam server answers there (it answers 404)\n")
