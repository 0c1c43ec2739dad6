"""``deephyper`` and ``dh-project``: the same program."""

from __future__ import annotations

import sys
from pathlib import Path

from dh_project import __version__
from dh_project.cli import balsam, balsam_submit, doctor, hps, predict, sites, submit, tasks, train
from dh_project.cli.console import write_any_text
from dh_project.cli.parser import Parser, run_command

DESCRIPTION = """\
Tune a model by asynchronous model-based search.

  deephyper hps ambs --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    program = Path(sys.argv[0]).name if sys.argv[0].endswith(("deephyper", "dh-project")) else "deephyper"
    parser = Parser(prog=program, description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"dh_project {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=False)
    for module in (hps, submit, train, predict, balsam_submit, tasks, sites, doctor):
        module.add_command(commands)
    balsam.add_commands(commands)
    write_any_text()
    parsed = parser.parse_args(arguments)
    if not hasattr(parsed, "command"):
        getattr(parsed, "parser", parser).print_help()
        return 0
    return run_command(parsed.command, parsed, program)


if __name__ == "__main__":
    sys.exit(main())
