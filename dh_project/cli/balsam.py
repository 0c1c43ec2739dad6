"""``deephyper balsam-init``, ``balsam-start``, ``balsam-stop`` and ``balsam-status``: Balsam in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dh_project.cli.parser import positive_float
from dh_project.common.console import tell
from dh_project.common.files import at_home

INIT = """\
Make Balsam's own environment in a folder, start a server there (or log in to a hosted one), and create a site.

In an existing Balsam folder, this command mends broken parts and starts those that do not run.
"""

INIT_EXAMPLES = """\
examples:
  deephyper balsam-init polydb && source polydb/activate
  deephyper balsam-init polaris-site --server https://balsam.example.org --site-type polaris --project MYPROJECT
"""

FOLDER = "a Balsam folder (the activated one)"


def add_commands(commands: Any) -> None:
    """Add the four commands."""
    for add in (_add_init, _add_start, _add_stop, _add_status):
        add(commands)


def _add_init(commands: Any) -> None:
    parser = commands.add_parser(
        "balsam-init",
        help="set up Balsam in a folder: its environment, a server, a site",
        description=INIT,
        epilog=INIT_EXAMPLES,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder, or a Balsam folder")
    server = parser.add_argument_group("the server")
    server.add_argument("--server", metavar="URL", help="a hosted server (a server is started here)")
    site = parser.add_argument_group("the site")
    site.add_argument(
        "--site-type", metavar="TYPE", help="local (default), or a system that Balsam knows, such as polaris"
    )
    site.add_argument(
        "--site-name", metavar="NAME", help="name of the site at the server (made of DIR and this host)"
    )
    site.add_argument(
        "-A",
        "--project",
        action="append",
        default=[],
        metavar="NAME",
        help="project that pays for batch jobs (repeatable)",
    )
    server.add_argument(
        "--token-hours",
        type=positive_float,
        metavar="HOURS",
        help="lifetime of its tokens (720)",
    )
    server.add_argument("--user", metavar="NAME", help="user name at a hosted server")
    server.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password at a hosted server from the first line of standard input",
    )
    parser.add_argument_group("Balsam's environment").add_argument(
        "--python", type=Path, metavar="FILE", help="Python 3.11 or 3.12 for Balsam's environment"
    )
    parser.set_defaults(command=init)


def _add_start(commands: Any) -> None:
    parser = commands.add_parser(
        "balsam-start",
        help="start the services of a Balsam folder",
        description="Start the services of a Balsam folder that do not run: database, server, and the site's agent.",
        epilog="example:\n  deephyper balsam-start polydb",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", help=FOLDER)
    parser.set_defaults(command=start)


def _add_stop(commands: Any) -> None:
    parser = commands.add_parser(
        "balsam-stop",
        help="stop the services of a Balsam folder",
        description="Stop the services of a Balsam folder: the site's agent, server and database. Running batch "
        "jobs continue; the server gets their results after the next balsam-start.",
        epilog="example:\n  deephyper balsam-stop polydb --all",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", help=FOLDER)
    parser.add_argument_group("what to stop").add_argument(
        "--all", action="store_true", help="end the site's batch jobs first"
    )
    parser.set_defaults(command=stop)


def _add_status(commands: Any) -> None:
    parser = commands.add_parser(
        "balsam-status",
        help="show the status of a Balsam folder",
        description="Show the status of a Balsam folder: environment, server, token, site, agent, batch jobs. The "
        "exit status is 0 if all parts work, and 1 otherwise.",
        epilog="example:\n  deephyper balsam-status polydb",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", help=FOLDER)
    parser.set_defaults(command=status)


def init(arguments: argparse.Namespace) -> int:
    """Make or mend a Balsam folder."""
    from dh_project.hpc.balsam.install.installation import Installation
    from dh_project.hpc.balsam.install.setup import Wishes, set_up

    installation = Installation(at_home(arguments.folder).resolve())
    wishes = Wishes(
        server=arguments.server,
        site_type=arguments.site_type,
        site_name=arguments.site_name,
        projects=tuple(arguments.project),
        token_hours=arguments.token_hours,
        user=arguments.user,
        password_from_stdin=arguments.password_stdin,
        python=arguments.python,
    )
    set_up(installation, wishes, tell)
    tell(f"ready     source {arguments.folder}/activate")
    return 0


def start(arguments: argparse.Namespace) -> int:
    """Start the services that do not run."""
    from dh_project.hpc.balsam.client.address import shown
    from dh_project.hpc.balsam.install.installation import active_installation
    from dh_project.hpc.balsam.install.services import Services, at_work

    installation = active_installation(arguments.folder)
    description = installation.describe()
    with at_work(installation):
        Services(installation).start(description, tell)
    tell(f"ready     {shown(description.url)}, site {description.site_name}")
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Stop the services."""
    from dh_project.hpc.balsam.install.installation import active_installation
    from dh_project.hpc.balsam.install.services import Services, at_work, count

    installation = active_installation(arguments.folder)
    description = installation.describe()
    services = Services(installation)
    with at_work(installation):
        services.refuse_other_hosts()
        if arguments.all:
            services.end_batch_jobs(description, tell)
        elif running := services.running_batch_jobs(description):
            tell(f"note      {count(running, 'running batch job')} will continue; --all ends them too")
        services.stop(tell)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Print the status of each part; return 1 if one does not work."""
    from rich.table import Table

    from dh_project.common.console import open_console
    from dh_project.hpc.balsam.install.installation import active_installation
    from dh_project.hpc.balsam.install.status import parts

    installation = active_installation(arguments.folder)
    table = Table(box=None, show_header=False, pad_edge=False)
    is_well = True
    for part in parts(installation, installation.describe()):
        is_well &= part.well
        table.add_row(part.name, "ok" if part.well else "wrong", part.words)
    open_console().print(table)
    return 0 if is_well else 1
