"""The common part of all programs: ``--version``, completion by the shell, and running a command."""

from __future__ import annotations

import os

from dh_project.cli.parser import Parser, run_command
from dh_project.cli.versions import ShowVersions
from dh_project.common.console import write_any_text


def run_program(parser: Parser, arguments: list[str] | None = None) -> int:
    """Run the command on the command line and return its exit status. Without a command, print the help.

    If the shell requests completions (by argcomplete's ``_ARGCOMPLETE``), they are printed, and the process ends.

    Args:
        parser: The parser of the program with its commands.
        arguments: The words of the command line; None for those of the process.
    """
    parser.add_argument("--version", action=ShowVersions, help="print the installed versions and exit")
    if "_ARGCOMPLETE" in os.environ:
        from dh_project.cli.completion import complete

        complete(parser)
    write_any_text()
    parsed = parser.parse_args(arguments)
    if not hasattr(parsed, "command"):
        parsed.parser.print_help()
        return 0
    return run_command(parsed.command, parsed, parser.prog)
