"""``deephyper tasks show``: list batch jobs of ``deephyper submit``, and the jobs of a Balsam server."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli.balsam_server import (
    NO_BALSAM,
    add_site_option,
    balsam_server,
    is_named_or_active,
    job_ids,
)
from dh_project.cli.parser import positive_float, positive_int
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.balsam.tasks.finding import Filters
    from dh_project.hpc.batch_jobs.job_table import Row

LIMIT = 1000

OF_BALSAM = ("ids", "user", "workflow", "state", "range", "name", "columns", "metadata", "site")
"""Arguments that speak of Balsam's jobs alone; with one of them, no other jobs are listed."""

DESCRIPTION = """\
List jobs, the newest first.

First come the batch jobs of "deephyper submit": their state, as the scheduler says, and how many trials of their
search have ended. Then, if a Balsam folder is activated, come the jobs of its server. A filter for Balsam jobs, or
--log-dir, lists only the one or the other.

A trial's Balsam job names its trial as number/attempt; "kind" is search for the job that drives a search, trial for a
trial's, and empty for a job that this program did not make.
"""

EXAMPLES = """\
examples:
  deephyper tasks show
  deephyper tasks show --log-dir search
  deephyper tasks show --workflow demo
  deephyper tasks show --days 1 --state running --columns id,name,state,outcome
  deephyper tasks show --range 100:200 --output jobs.csv
  deephyper tasks show 17 --metadata
"""


def add_action(actions: Any) -> None:
    """Add ``show`` to the actions of ``tasks``."""
    parser = actions.add_parser(
        "show", help="list jobs, or one whole", description=DESCRIPTION, epilog=EXAMPLES
    )
    parser.set_defaults(command=run)
    parser.add_argument("ids", nargs="*", metavar="ID", help="numbers of Balsam jobs")
    parser.add_argument_group("batch jobs of deephyper submit").add_argument(
        "--log-dir", type=Path, metavar="DIR", help="only those of the search in this folder"
    )
    add_site_option(parser)
    _add_filters(parser)
    output = parser.add_argument_group("what is shown")
    output.add_argument("--days", type=positive_float, metavar="N", help="submitted or changed within N days")
    output.add_argument(
        "--limit", type=positive_int, default=LIMIT, metavar="N", help=f"at most N jobs ({LIMIT})"
    )
    output.add_argument("--columns", metavar="A,B,…", help="columns of Balsam jobs (a wrong one lists all)")
    output.add_argument(
        "--metadata", action="store_true", help="print one Balsam job whole: resources, tags, data, events"
    )
    output.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write a .csv or .json instead: Balsam's jobs if a Balsam folder is activated and no --log-dir is given",
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("filters for Balsam jobs")
    group.add_argument("--user", metavar="U", help="submitted by this user")
    group.add_argument("--workflow", metavar="W", help="of this search")
    group.add_argument(
        "--state",
        nargs="+",
        action="extend",
        default=[],
        metavar="S",
        help="in one of these states (running, job_finished, …)",
    )
    group.add_argument("--range", type=id_range, metavar="FIRST:LAST", help="with numbers from FIRST to LAST")
    group.add_argument(
        "--name", metavar="PATTERN", help="with a name like this; * and ? are wildcards (quote them)"
    )


def id_range(text: str) -> tuple[int | None, int | None]:
    """Return the ends of a range of numbers; one of them may be left out."""
    match = re.fullmatch(r"([0-9]{0,9}):([0-9]{0,9})", text)
    if match is None or text == ":":
        raise argparse.ArgumentTypeError(f"{text!r} is no range of job numbers; write FIRST:LAST, as 100:200")
    first, last = (int(end) if end else None for end in match.groups())
    if first is not None and last is not None and first > last:
        raise argparse.ArgumentTypeError(f"{text!r} is empty; the first number comes first: {last}:{first}")
    return first, last


def run(arguments: argparse.Namespace) -> int:
    """Print jobs, or write them to a file."""
    of_balsam = [name for name in OF_BALSAM if getattr(arguments, name) not in (None, False, [])]
    if arguments.log_dir is not None and of_balsam:
        option = "ID" if of_balsam[0] == "ids" else f"--{of_balsam[0]}"
        raise UserError(f"--log-dir lists batch jobs of deephyper submit, and {option} Balsam jobs; give one")
    if of_balsam:
        return _show_whole(arguments) if arguments.metadata else _show_balsam(arguments)
    has_balsam = arguments.log_dir is None and is_named_or_active(None)
    if arguments.output is None or not has_balsam:
        _show_submitted(arguments)
    if has_balsam:
        if arguments.output is None:
            print("Jobs of the Balsam server")
        _show_balsam(arguments)
    elif arguments.log_dir is None and arguments.output is None:
        print(NO_BALSAM)
    return 0


def _show_submitted(arguments: argparse.Namespace) -> None:
    """Print the batch jobs of ``deephyper submit``, or write them to a file."""
    from dh_project.cli.tables import ENDINGS, print_rows, write_rows
    from dh_project.common.files import check_output
    from dh_project.hpc.batch_jobs.job_table import COLUMNS, job_table
    from dh_project.hpc.batch_jobs.record import JOBS
    from dh_project.hpc.batch_jobs.searches_file import remembered_searches

    check_output(arguments.output, ENDINGS)
    folder = arguments.log_dir
    if folder is not None and not (folder / JOBS).is_file():
        raise UserError(f"--log-dir {folder}: no batch jobs were submitted from here (there is no {JOBS})")
    table = job_table(remembered_searches() if folder is None else [folder.absolute()])
    rows = [row for row in table.rows if _is_recent(row, arguments.days)]
    for warning in table.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    shown = rows[: arguments.limit]
    if arguments.output is not None:
        write_rows(arguments.output, COLUMNS, shown)
    elif shown:
        print("Batch jobs of deephyper submit")
        cells = [_for_reading(row) for row in shown]
        print_rows(list(cells[0]), cells)
        print()
    else:
        print("Batch jobs of deephyper submit: none" + (" within these days" if table.rows else ""))
    _tell_of_more(len(rows) > len(shown), len(shown))


def _is_recent(row: Row, days: float | None) -> bool:
    submitted = datetime.fromisoformat(row["submitted"])
    return days is None or submitted > datetime.now(UTC) - timedelta(days=days)


def _for_reading(row: Row) -> Row:
    """Return the cells of a batch job as people read them."""
    most = "" if row["max_evals"] is None else f" of {row['max_evals']}"
    return {
        "id": row["id"],
        "site": row["site"],
        "state": row["state"] or "?",
        "nodes": row["nodes"],
        "minutes": row["minutes"],
        "trials ended": "not begun" if row["ended"] is None else f"{row['ended']}{most}",
        "best": row["best"],
        "search": row["search"],
    }


def _show_balsam(arguments: argparse.Namespace) -> int:
    """Print the jobs of the Balsam server, or write them to a file."""
    from dh_project.cli.tables import ENDINGS, print_rows, write_rows
    from dh_project.common.files import check_output
    from dh_project.hpc.balsam.tasks.finding import find, jobs_by_id
    from dh_project.hpc.balsam.tasks.job_table import DEFAULT_COLUMNS, parse_columns, rows

    columns = parse_columns(arguments.columns) if arguments.columns is not None else DEFAULT_COLUMNS
    filters = _filters(arguments)
    check_output(arguments.output, ENDINGS)
    with balsam_server(arguments.site) as client:
        if filters.ids:
            jobs_by_id(client, filters.ids)
        jobs = find(client, filters, arguments.limit + 1)
    is_cut, jobs = len(jobs) > arguments.limit, jobs[: arguments.limit]
    if arguments.output is not None:
        write_rows(arguments.output, columns, rows(jobs, columns))
    elif jobs:
        print_rows(columns, rows(jobs, columns))
    else:
        print("no jobs match")
    _tell_of_more(is_cut, len(jobs))
    return 0


def _filters(arguments: argparse.Namespace) -> Filters:
    """Return the conditions on Balsam jobs."""
    from dh_project.hpc.balsam.tasks.finding import Filters, parse_states

    first, last = arguments.range or (None, None)
    return Filters(
        ids=job_ids(arguments.ids),
        user=arguments.user,
        workflow=arguments.workflow,
        states=parse_states(arguments.state),
        days=arguments.days,
        first=first,
        last=last,
        name=arguments.name,
    )


def _tell_of_more(is_cut: bool, shown: int) -> None:
    if is_cut:
        print(f"there are more than these {shown}, the newest; --limit takes more", file=sys.stderr)


def _show_whole(arguments: argparse.Namespace) -> int:
    """Print all that is known of one Balsam job, or write it to a file."""
    from dh_project.cli.tables import write_json
    from dh_project.common.files import check_output
    from dh_project.common.yaml_core import dump_yaml
    from dh_project.hpc.balsam.tasks.finding import jobs_by_id
    from dh_project.hpc.balsam.tasks.job_table import whole

    if len(arguments.ids) != 1:
        raise UserError(
            "--metadata prints one job whole; name one ID, as: deephyper tasks show 17 --metadata"
        )
    ids = job_ids(arguments.ids)
    check_output(arguments.output, [".json"])
    with balsam_server(arguments.site) as client:
        known = whole(client, jobs_by_id(client, ids)[0])
    if arguments.output is not None:
        write_json(arguments.output, known)
    else:
        print(dump_yaml(known), end="")
    return 0
