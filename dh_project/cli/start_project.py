"""``deephyper start-project``: creates a project and installs it in editable mode."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Create a project, which is a Python package for problems, and install it (by pip, in editable mode, without its
requirements). Its problems can then be imported from every folder. If a step fails, nothing is left.
"""


def add_command(commands: Any) -> None:
    """Add ``start-project`` to the commands."""
    parser = commands.add_parser(
        "start-project",
        help="create a project of your own and install it",
        description=DESCRIPTION,
        epilog="example:\n  deephyper start-project demo && cd demo/demo && deephyper new-problem hps polynome2",
    )
    parser.add_argument("name", type=Path, metavar="NAME", help="name of the project, or path of its folder")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Create and install a project, and print the next step."""
    from dh_project.scaffold.project import start_project
    from dh_project.scaffold.tree import files_in, show_tree

    project = start_project(arguments.name)
    print(show_tree(f"{arguments.name}", files_in(project.root)))
    print(f"installed  {project.package} in editable mode: changes here take effect at the next import")
    home = shlex.quote(str(arguments.name / project.package))
    print(f"next       cd {home} && deephyper new-problem hps NAME")
    return 0
