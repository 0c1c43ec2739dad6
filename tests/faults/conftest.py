"""Fixtures for the tests of faults."""

import pytest
from harness import SearchCommand


@pytest.fixture
def search_command(tmp_path):
    """Return a function that makes a search command in a folder of its own; at the end nothing of it is left."""
    commands = []

    def make(*options, name="one", **more):
        commands.append(SearchCommand(tmp_path / name, *options, **more))
        return commands[-1]

    yield make
    for command in commands:
        command.clean_up()
