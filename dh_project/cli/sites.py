"""``deephyper sites``: the user's Balsam sites, their queues and limits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add ``sites`` to the commands."""
    parser = commands.add_parser(
        "sites",
        help="list Balsam sites, their queues and limits",
        description="List your sites on the Balsam server: when each was last heard of, its projects, and of each "
        "queue the limits and how many batch jobs wait and run in it. max_walltime is in minutes.",
        epilog="example:\n  deephyper sites --output sites.csv",
    )
    parser.set_defaults(command=run)
    add_site_option(parser)
    parser.add_argument_group("what is shown").add_argument(
        "--output", type=Path, metavar="FILE", help="write a .csv or .json instead"
    )


def add_site_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names another folder than the activated one."""
    parser.add_argument_group("the server").add_argument(
        "--site", type=Path, metavar="DIR", help="folder of balsam-init (the one that is activated)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the sites, or write them to a file."""
    from dh_project.cli.tables import check_output, print_rows, write_rows
    from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
    from dh_project.hpc.balsam.install.installation import active_installation
    from dh_project.hpc.balsam.tasks.site_table import COLUMNS, for_reading, site_rows

    check_output(arguments.output)
    with RefusalsAreMistakes(), BalsamClient.of(active_installation(arguments.site)) as client:
        rows, url = site_rows(client), client.url
    if arguments.output is not None:
        write_rows(arguments.output, COLUMNS, rows)
    elif rows:
        print_rows(COLUMNS, for_reading(rows))
    else:
        print(f"{url}: you have no sites there; make one with: deephyper balsam-init")
    return 0
