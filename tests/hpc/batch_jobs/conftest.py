"""Fixtures of the tests of batch jobs: fakes on PATH of commands that this machine does not have."""

import os

import pytest


@pytest.fixture
def command_on_path(tmp_path, monkeypatch):
    """Return a function that puts a fake on PATH, which runs Bash code and writes its arguments to a file."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name, body):
        words = folder / f"{name}.words"
        command = folder / name
        command.write_text(f'#!/bin/bash\n# A fake of {name}, for a test.\necho "$@" >> {words}\n{body}\n')
        command.chmod(0o755)
        return words

    return put
