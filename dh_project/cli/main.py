"""The program ``deephyper``, also called ``dh-project``."""

from __future__ import annotations

import sys
from pathlib import Path

from dh_project.cli import (
    balsam,
    balsam_submit,
    doctor,
    hps,
    new_problem,
    predict,
    replicate,
    sites,
    start_project,
    submit,
    tasks,
    train,
)
from dh_project.cli.parser import Parser
from dh_project.cli.program import run_program

DESCRIPTION = "Search for the best hyperparameters of a model, on this machine or as jobs of a supercomputer."

EPILOG = """\
example:
  deephyper hps ambs --problem dh_project.cgcnn_mp.problem.Problem \\
      --run dh_project.cgcnn_mp.model_run.run --max-evals 20

deephyper COMMAND --help describes each command, with an example.
"""


def make_parser() -> Parser:
    """Return the parser of all commands."""
    program = Path(sys.argv[0]).name if sys.argv[0].endswith(("deephyper", "dh-project")) else "deephyper"
    parser = Parser(prog=program, description=DESCRIPTION, epilog=EPILOG)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=False)
    for module in (
        start_project,
        new_problem,
        hps,
        replicate,
        submit,
        train,
        predict,
        balsam_submit,
        tasks,
        sites,
        doctor,
    ):
        module.add_command(commands)
    balsam.add_commands(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return run_program(make_parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
