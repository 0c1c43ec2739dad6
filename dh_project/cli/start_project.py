"""``deephyper start-project``: a project of one's own, installed where it stands."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Make a project, a package in which problems stand side by side, and install it (pip, editable, without its
requirements), so that its problems can be imported from everywhere. All of it is made, or nothing.
"""


def add_command(commands: Any) -> None:
    """Add ``start-project`` to the commands."""
    parser = commands.add_parser(
        "start-project",
        help="make a project of your own, and install it",
        description=DESCRIPTION,
        epilog="example:\n  deephyper start-project demo && cd demo/demo && deephyper new-problem hps polynome2",
    )
    parser.add_argument("name", type=Path, metavar="NAME", help="its name, or the path of its folder")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Make and install a project, and say so."""
    from dh_project.scaffold.project import start_project
    from dh_project.scaffold.tree import files_in, show_tree

    project = start_project(arguments.name)
    print(show_tree(f"{arguments.name}", files_in(project.root)))
    print(f"installed  {project.package}, editable: what is changed here is what Python imports")
    home = shlex.quote(str(arguments.name / project.package))
    print(f"next       cd {home} && deephyper new-problem hps NAME")
    return 0
