"""``make search``: the pages show its command, and the command line accepts it."""

import shlex
import subprocess

import pytest
from literal_blocks import DOCS, REPOSITORY, commands_of

from dh_project.cgcnn_mp.training.configuration import configuration_of
from dh_project.cli import main
from dh_project.common.key_values import parse_key_values
from dh_project.user_code.problems import load_problem


@pytest.fixture(scope="module")
def words():
    """The words of the search that ``make search`` starts."""
    shown = subprocess.run(
        ["make", "--dry-run", "search"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.replace("\\\n", "")
    command = next(line for line in shown.splitlines() if "/deephyper hps " in line)
    return shlex.split(command)[1:]


def test_the_first_steps_show_the_command(words):
    first = next(
        command for command in commands_of(DOCS / "first_steps.rst") if command.startswith("deephyper hps")
    )
    typed, shown = (
        vars(main.make_parser().parse_args(each))
        for each in (words, [*shlex.split(first)[1:], "--seed", "42"])
    )
    assert {**typed, "parser": None} == {**shown, "parser": None}


def test_every_starting_point_can_be_trained_as_it_says(words):
    options = main.make_parser().parse_args(words)
    arguments = parse_key_values(options.run_kwargs)
    for point in load_problem(options.problem).starting_points:
        assert configuration_of(point, arguments).patience is None
