"""``deephyper tasks``: watch, kill and retry the jobs on a Balsam server."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli.parser import positive_float, positive_int
from dh_project.cli.sites import add_site_option
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.balsam.client.client import BalsamClient
    from dh_project.hpc.balsam.tasks.description import Said

LIMIT = 1000

SHOW = """\
List jobs, the newest first: of all your sites on the Balsam server, unless filters say less.

A trial's job names its trial as number/attempt; "kind" is search for the job that drives a search, trial for a
trial's, and empty for a job that this program did not make.
"""

SHOW_EXAMPLES = """\
examples:
  deephyper tasks show --workflow demo
  deephyper tasks show --days 1 --state failed run_error --columns id,name,outcome,reason
  deephyper tasks show --name 'demo/*' --range 100:200 --output jobs.csv
  deephyper tasks show 17 --metadata
"""

KILL = """\
Kill jobs.

One that waits is failed on the server. One that runs is told to end, if this program made it, and ends within
seconds; Balsam cannot stop others. --workflow kills a whole search: its own job, its trials, and its batch jobs.
"""

RETRY = """\
Let jobs run again.

A search that has ended, or was killed, goes on where it stopped. A trial's job that ended without an objective gets
another attempt, which its search starts. Any other app's job that failed is set up to run again.
"""


def add_command(commands: Any) -> None:
    """Add ``tasks`` to the commands."""
    tasks = commands.add_parser(
        "tasks",
        help="watch, kill and retry Balsam jobs",
        description="Watch, kill and retry the jobs of a Balsam server, a search's and others.",
        epilog="example:\n  deephyper tasks show --workflow demo",
    )
    actions = tasks.add_subparsers(title="actions", metavar="ACTION", required=False)
    show = _add_action(actions, "show", "list jobs, or one whole", SHOW, SHOW_EXAMPLES, run_show)
    _add_filters(show)
    output = show.add_argument_group("what is shown")
    output.add_argument(
        "--limit", type=positive_int, default=LIMIT, metavar="N", help=f"no more jobs than these ({LIMIT})"
    )
    output.add_argument(
        "--columns", metavar="A,B,…", help="columns to show, with commas (a wrong one lists all)"
    )
    output.add_argument(
        "--metadata", action="store_true", help="print one job whole: resources, tags, data, events"
    )
    output.add_argument("--output", type=Path, metavar="FILE", help="write a .csv or .json instead")
    kill = _add_action(
        actions, "kill", "kill jobs, or a search", KILL, "example:\n  deephyper tasks kill 17 18", run_kill
    )
    kill.add_argument_group("a whole search").add_argument(
        "--workflow", metavar="W", help="kill this search, all of it"
    )
    _add_action(
        actions, "retry", "let jobs run again", RETRY, "example:\n  deephyper tasks retry 17", run_retry
    )


def _add_action(actions: Any, name: str, text: str, description: str, epilog: str, command: Any) -> Any:
    parser = actions.add_parser(name, help=text, description=description, epilog=epilog)
    parser.set_defaults(command=command)
    least = "+" if name == "retry" else "*"
    parser.add_argument("ids", nargs=least, metavar="ID", help="the jobs' numbers")
    add_site_option(parser)
    return parser


def _add_filters(parser: Any) -> None:
    group = parser.add_argument_group("filters")
    group.add_argument("--user", metavar="U", help="submitted by this user")
    group.add_argument("--workflow", metavar="W", help="of this search")
    group.add_argument(
        "--state",
        nargs="+",
        action="extend",
        default=[],
        metavar="S",
        help="in one of these states of Balsam (running, job_finished, …)",
    )
    group.add_argument("--days", type=positive_float, metavar="N", help="changed within so many days")
    group.add_argument(
        "--range",
        type=id_range,
        metavar="FIRST:LAST",
        default=(None, None),
        help="with numbers from FIRST to LAST",
    )
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


def job_ids(words: Iterable[str]) -> tuple[int, ...]:
    """Return jobs' numbers; they are read here, so that a misspelt option is told of first, and not its value.

    Raises:
        UserError: One is no number.
    """
    ids = []
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word):
            raise UserError(f"{word!r} is no job's number; list them with: deephyper tasks show")
        ids.append(int(word))
    return tuple(ids)


def run_show(arguments: argparse.Namespace) -> int:
    """Print jobs, or write them to a file."""
    from dh_project.cli.tables import check_output, print_rows, write_rows
    from dh_project.hpc.balsam.tasks.finding import Filters, find, jobs_by_id, parse_states
    from dh_project.hpc.balsam.tasks.job_table import DEFAULT_COLUMNS, parse_columns, rows

    columns = parse_columns(arguments.columns) if arguments.columns is not None else DEFAULT_COLUMNS
    filters = Filters(
        ids=job_ids(arguments.ids),
        user=arguments.user,
        workflow=arguments.workflow,
        states=parse_states(arguments.state),
        days=arguments.days,
        first=arguments.range[0],
        last=arguments.range[1],
        name=arguments.name,
    )
    if arguments.metadata:
        return _show_whole(arguments)
    check_output(arguments.output)
    with _server(arguments.site) as client:
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
    if is_cut:
        print(f"there are more than these {len(jobs)}, the newest; --limit takes more", file=sys.stderr)
    return 0


def _show_whole(arguments: argparse.Namespace) -> int:
    import yaml

    from dh_project.cli.tables import check_output, write_json
    from dh_project.hpc.balsam.tasks.finding import jobs_by_id
    from dh_project.hpc.balsam.tasks.job_table import whole

    if len(arguments.ids) != 1:
        raise UserError(
            "--metadata prints one job whole; name one ID, as: deephyper tasks show 17 --metadata"
        )
    ids = job_ids(arguments.ids)
    check_output(arguments.output, [".json"])
    with _server(arguments.site) as client:
        known = whole(client, jobs_by_id(client, ids)[0])
    if arguments.output is not None:
        write_json(arguments.output, known)
    else:
        print(yaml.safe_dump(known, sort_keys=False, allow_unicode=True), end="")
    return 0


def run_kill(arguments: argparse.Namespace) -> int:
    """Kill jobs, and say what became of each."""
    from getpass import getuser

    from dh_project.hpc.balsam.tasks.finding import jobs_by_id
    from dh_project.hpc.balsam.tasks.kill import Killer

    if bool(arguments.ids) == (arguments.workflow is not None):
        raise UserError("name either the IDs of jobs or one --workflow, as: deephyper tasks kill 17")
    ids = job_ids(arguments.ids)
    with _server(arguments.site) as client:
        killer = Killer(client, getuser())
        if arguments.workflow is not None:
            return _tell(killer.kill_workflow(arguments.workflow))
        return _tell(killer.kill(jobs_by_id(client, ids)))


def run_retry(arguments: argparse.Namespace) -> int:
    """Set jobs up to run again, and say what became of each."""
    from dh_project.hpc.balsam.tasks.finding import jobs_by_id
    from dh_project.hpc.balsam.tasks.retry import Retrier

    ids = job_ids(arguments.ids)
    with _server(arguments.site) as client:
        return _tell(Retrier(client).retry(jobs_by_id(client, ids)))


@contextmanager
def _server(folder: Path | None) -> Iterator[BalsamClient]:
    """Yield who speaks with the server; what it does not do is a mistake of the user's, in one line."""
    from dh_project.hpc.balsam.client.client import BalsamClient, RefusalsAreMistakes
    from dh_project.hpc.balsam.install.installation import active_installation

    with RefusalsAreMistakes(), BalsamClient.of(active_installation(folder)) as client:
        yield client


def _tell(outcomes: Iterable[Said]) -> int:
    """Print what became of each job; exit status 2 where one was refused, or there was nothing to be done for all."""
    from dh_project.hpc.balsam.tasks.description import Verdict

    verdicts = set()
    for said in outcomes:
        print(said.line, flush=True, file=sys.stdout if said.verdict is Verdict.DONE else sys.stderr)
        verdicts.add(said.verdict)
    return 0 if Verdict.REFUSED not in verdicts and Verdict.DONE in verdicts else 2
