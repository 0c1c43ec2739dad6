"""``deephyper sites``: the sites that searches can be submitted to, their queues and limits."""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli.balsam_server import NO_BALSAM, add_site_option, balsam_server, is_named_or_active
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.batch_jobs.site_table import Row

DESCRIPTION = """\
List the sites that searches can be submitted to, and the limits of their queues.

First come the sites that have a site file (deephyper submit): those of this program and your own. Then, if a Balsam
folder is activated, come the sites of its server (deephyper balsam-submit). --site lists only those of its server. A
site is marked "this machine" if its scheduler can be reached from here.
"""


def add_command(commands: Any) -> None:
    """Add ``sites`` to the commands."""
    parser = commands.add_parser(
        "sites",
        help="list sites, their queues and limits",
        description=DESCRIPTION,
        epilog="example:\n  deephyper sites --output sites.csv",
    )
    parser.set_defaults(command=run)
    add_site_option(parser)
    parser.add_argument_group("what is shown").add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write a .csv or .json instead"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the sites, or write them to a file."""
    from dh_project.cli.tables import ENDINGS, write_rows
    from dh_project.common.files import check_output
    from dh_project.hpc.batch_jobs.site_table import COLUMNS

    check_output(arguments.output, ENDINGS)
    rows = _rows_of_files() if arguments.site is None else []
    has_balsam = is_named_or_active(arguments.site)
    if arguments.output is not None:
        write_rows(arguments.output, COLUMNS, rows + (_rows_of_balsam(arguments.site) if has_balsam else []))
        return 0
    _print_sites(rows)
    if has_balsam:
        _print_sites(_rows_of_balsam(arguments.site))
    else:
        print(NO_BALSAM)
    return 0


def _rows_of_files() -> list[Row]:
    """Return the rows of all sites that have a site file; one that cannot be read is told of and left out."""
    from dh_project.hpc.batch_jobs.site_table import site_rows
    from dh_project.hpc.sites.names import site_names
    from dh_project.hpc.sites.site import load_site

    rows = []
    for name in site_names():
        try:
            rows += site_rows(load_site(name))
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)
    return rows


def _rows_of_balsam(folder: Path | None) -> list[Row]:
    """Return the rows of the sites of the Balsam server."""
    from dh_project.hpc.balsam.tasks.site_table import balsam_site_rows

    with balsam_server(folder) as client:
        rows = balsam_site_rows(client)
        if not rows:
            print(
                f"{client.server}: you have no sites there; make one with: deephyper balsam-init",
                file=sys.stderr,
            )
    return rows


def _print_sites(rows: list[Row]) -> None:
    """Print each site with a heading, and its queues as a table."""
    from dh_project.cli.tables import print_rows

    for _, group in groupby(rows, key=lambda row: (row["site"], row["file"])):
        queues = list(group)
        print("\n".join(_heading(queues[0])))
        shown = [_cells(row) for row in queues if row["queue"] is not None]
        if shown:
            used = {name for row in shown for name, cell in row.items() if cell not in (None, "")}
            print_rows([name for name in shown[0] if name in used], shown)
        print()


def _heading(row: Row) -> list[str]:
    """Return the lines that stand above a site's queues."""
    here = ", this machine" if row["here"] else ""
    lines = [f"{row['site']}: {row['title']}, {row['scheduler']}{here}", f"  {row['file']}"]
    if row["last_heard"] is not None:
        lines.append(
            f"  agent last heard {_ago(row['last_heard'])}; projects: {row['projects'] or 'not known'}"
        )
    if row["queue"] is None and row["note"] is not None:
        lines.append(f"  {row['note']}")
    return lines


def _cells(row: Row) -> Row:
    """Return the cells of a queue as people read them."""
    return {
        "queue": row["queue"],
        "nodes": _range(row["min_nodes"], row["max_nodes"]),
        "minutes": _range(row["min_minutes"], row["max_minutes"]),
        "jobs of a user": row["jobs_per_user"],
        "queued": row["queued"],
        "running": row["running"],
        "note": row["note"],
    }


def _range(least: int, most: int | None) -> str:
    return f"{least} or more" if most is None else str(least) if least == most else f"{least} to {most}"


def _ago(time: str) -> str:
    from datetime import UTC, datetime

    from dh_project.hpc.balsam.tasks.job_table import shown_span

    return f"{shown_span((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds())} ago"
