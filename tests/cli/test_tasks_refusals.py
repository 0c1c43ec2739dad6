"""Refusals of ``deephyper tasks`` and ``deephyper sites`` without a server: one line, exit status 2."""

import socket

import pytest

from dh_project.cli.main import main
from dh_project.hpc.balsam.client.credentials import Token, write_token
from dh_project.hpc.balsam.install.installation import FOLDER_VARIABLE, Description, Installation, NodeKind


@pytest.fixture
def refused(capsys):
    """Return a function that runs a refused command, and returns the error line."""

    def refused(*words):
        try:
            status = main([str(word) for word in words])
        except SystemExit as leaving:
            status = leaving.code
        shown, errors = capsys.readouterr()
        assert (status, shown, errors.count("\n")) == (2, "", 1), errors
        return errors

    return refused


@pytest.fixture
def folder(tmp_path):
    """Return a Balsam folder whose server is down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    installation = Installation(tmp_path / "polydb")
    told = {"site_type": "local", "site_name": "here", "site_id": 1, "url": url, "owns_server": True}
    installation.folder.mkdir()
    installation.write_description(Description(balsam="0.7.0a24", node=NodeKind(cores=2), **told))
    write_token(installation.token_file, Token(url, "abc", None))
    return installation.folder


@pytest.mark.parametrize(
    "words", [["sites"], ["tasks", "show"], ["tasks", "kill", "1"], ["tasks", "retry", "1"]]
)
def test_a_server_that_is_down(refused, folder, words):
    assert "deephyper balsam-start" in refused(*words, "--site", folder)


def test_no_folder_that_is_activated(refused, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert "deephyper balsam-init DIR" in refused("tasks", "show", "--workflow", "demo")


def test_the_folder_that_is_activated_is_used(refused, folder, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert "deephyper balsam-start" in refused("tasks", "retry", "1")


def test_a_folder_that_is_something_else(refused, tmp_path):
    assert "this is not a complete Balsam folder" in refused("sites", "--site", tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--state", "runing"], "did you mean 'RUNNING'?"),
        (["--columns", "id,sate"], "did you mean 'state'?"),
        (["--range", "9:3"], "3:9"),
        (["--range", "five"], "write FIRST:LAST"),
        (["--output", "jobs.xlsx"], "end it in .csv or .json"),
        (["--output", "nowhere/jobs.csv"], "no folder nowhere"),
        (["--limit", "0"], "at least 1"),
        (["--days", "-1"], "not a number above 0"),
        (["twelve"], "'twelve' is no number of a Balsam job"),
        (["--metadata"], "name one ID"),
        (["1", "2", "--metadata"], "name one ID"),
        (["1", "--metadata", "--output", "job.csv"], "end it in .json"),
        (["--workflw", "demo"], "did you mean '--workflow'?"),
    ],
)
def test_a_wrong_filter_or_output(refused, folder, words, told):
    assert told in refused("tasks", "show", "--site", folder, *words)


@pytest.mark.parametrize("words", [[], ["1", "--workflow", "demo"]])
def test_what_to_kill_is_either_jobs_or_a_workflow(refused, folder, words):
    assert "either the IDs of jobs or one --workflow" in refused("tasks", "kill", "--site", folder, *words)


def test_an_unknown_action(refused):
    assert "did you mean 'kill'?" in refused("tasks", "kil")
