"""Refusals of ``balsam-init``, ``-start``, ``-stop`` and ``-status``: one line, exit status 2, nothing is made."""

import pytest

from dh_project.cli.main import main

DEAD = "http://127.0.0.1:9"


@pytest.fixture
def refused(capsys):
    """Return a function that runs a refused command, and returns the error line."""

    def refused(*words):
        assert main([*map(str, words)]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert said.out == ""
        return said.err

    return refused


def test_a_folder_of_something_else_stays_untouched(refused, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    assert "this folder is not empty" in refused("balsam-init", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(refused, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "this is a file" in refused("balsam-init", tmp_path / "file")


def test_a_path_with_spaces_is_refused(refused, tmp_path):
    assert "whose path has spaces" in refused("balsam-init", tmp_path / "my folder")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--site-type", "polari"], "unknown site type 'polari' (did you mean 'polaris'?)"),
        (["--server", "balsam.example.org"], "this is no address; write it with http:// or https://"),
        (["--server", DEAD], f"--server {DEAD}: no Balsam server answers there"),
        (
            ["--server", DEAD, "--token-hours", "9"],
            "--token-hours 9: this option is for the folder's own server",
        ),
        (["--user", "bob"], "the folder's own server asks for no login"),
        (["--token-hours", "0.001"], "--token-hours 0.001: too short"),
        (["--python", "/nowhere/python"], "--python /nowhere/python: this is not a working Python"),
    ],
)
def test_wrong_wishes_are_told_before_anything_is_made(refused, tmp_path, words, line):
    assert line in refused("balsam-init", tmp_path / "polydb", *words)
    assert not (tmp_path / "polydb").exists()


@pytest.mark.parametrize("name", ["balsam-start", "balsam-stop", "balsam-status"])
def test_a_folder_is_needed(refused, monkeypatch, tmp_path, name):
    monkeypatch.delenv("DH_PROJECT_BALSAM", raising=False)
    assert "no Balsam folder is activated" in refused(name)
    assert "make or mend it with: deephyper balsam-init" in refused(name, tmp_path)


def test_another_python_is_named_with_its_version(refused, tmp_path):
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\necho 3 9\n")
    old.chmod(0o755)
    assert "needs Python 3.11 or 3.12, and this is 3.9" in refused(
        "balsam-init", tmp_path / "polydb", "--python", old
    )


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["balsam-init", str(tmp_path / "file" / "polydb")]) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1
