"""What the programs have in common: ``--version``, completion by the shell, and the way to a command and out."""

from __future__ import annotations

import os

from dh_project.cli.parser import Parser, run_command
from dh_project.cli.versions import ShowVersions
from dh_project.common.console import write_any_text


def run_program(parser: Parser, arguments: list[str] | None = None) -> int:
    """Run the command that is asked for, and return its exit status; without one, print the help.

    Where the shell asks for completions (argcomplete's ``_ARGCOMPLETE``), they are printed, and the process ends.

    Args:
        parser: Of the program, with its commands.
        arguments: The command line; by default the process's.
    """
    parser.add_argument(
        "--version", action=ShowVersions, help="print the versions that are installed, and exit"
    )
    if "_ARGCOMPLETE" in os.environ:
        from dh_project.cli.completion import complete

        complete(parser)
    write_any_text()
    parsed = parser.parse_args(arguments)
    if not hasattr(parsed, "command"):
        parsed.parser.print_help()
        return 0
    return run_command(parsed.command, parsed, parser.prog)
