"""``deephyper tasks``: list batch jobs; list, kill and retry the jobs of a Balsam server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dh_project.cli import tasks_show
from dh_project.cli.balsam_server import add_site_option, balsam_server, job_ids
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.balsam.tasks.description import Said

KILL = """\
Kill Balsam jobs.

A waiting job is set to failed on the server. A running job that this program made is ordered to end, and ends within
seconds; Balsam cannot stop other running jobs. --workflow kills a whole search: its own job, its trials, and its
batch jobs.
"""

RETRY = """\
Let Balsam jobs run again.

A search that has ended, or was killed, continues. A trial's job that ended without an objective gets another attempt,
which its search starts. A failed job of any other app is set up to run again.
"""


def add_command(commands: Any) -> None:
    """Add ``tasks`` to the commands."""
    tasks = commands.add_parser(
        "tasks",
        help="list batch jobs; kill and retry Balsam jobs",
        description="List the batch jobs of deephyper submit; list, kill and retry the jobs of a Balsam server.",
        epilog="examples:\n  deephyper tasks show\n  deephyper tasks kill --workflow demo",
    )
    actions = tasks.add_subparsers(title="actions", metavar="ACTION", required=False)
    tasks_show.add_action(actions)
    kill = actions.add_parser(
        "kill",
        help="kill Balsam jobs, or a search",
        description=KILL,
        epilog="example:\n  deephyper tasks kill 17 18",
    )
    kill.set_defaults(command=run_kill)
    kill.add_argument("ids", nargs="*", metavar="ID", help="the jobs' numbers")
    kill.add_argument_group("a whole search").add_argument(
        "--workflow", metavar="W", help="kill this search, all of it"
    )
    retry = actions.add_parser(
        "retry",
        help="let Balsam jobs run again",
        description=RETRY,
        epilog="example:\n  deephyper tasks retry 17",
    )
    retry.set_defaults(command=run_retry)
    retry.add_argument("ids", nargs="+", metavar="ID", help="the jobs' numbers")
    for parser in (kill, retry):
        add_site_option(parser)


def run_kill(arguments: argparse.Namespace) -> int:
    """Kill jobs, and say what became of each."""
    from getpass import getuser

    from dh_project.hpc.balsam.tasks.finding import jobs_by_id
    from dh_project.hpc.balsam.tasks.kill import Killer

    if bool(arguments.ids) == (arguments.workflow is not None):
        raise UserError("name either the IDs of jobs or one --workflow, as: deephyper tasks kill 17")
    ids = job_ids(arguments.ids)
    with balsam_server(arguments.site) as client:
        killer = Killer(client, getuser())
        if arguments.workflow is not None:
            return _tell(killer.kill_workflow(arguments.workflow))
        return _tell(killer.kill(jobs_by_id(client, ids)))


def run_retry(arguments: argparse.Namespace) -> int:
    """Set jobs up to run again, and say what became of each."""
    from dh_project.hpc.balsam.tasks.finding import jobs_by_id
    from dh_project.hpc.balsam.tasks.retry import Retrier

    ids = job_ids(arguments.ids)
    with balsam_server(arguments.site) as client:
        return _tell(Retrier(client).retry(jobs_by_id(client, ids)))


def _tell(outcomes: Iterable[Said]) -> int:
    """Print what became of each job; exit status 2 where one was refused, or there was nothing to be done for all."""
    from dh_project.hpc.balsam.tasks.description import Verdict

    verdicts = set()
    for said in outcomes:
        print(said.line, flush=True, file=sys.stdout if said.verdict is Verdict.DONE else sys.stderr)
        verdicts.add(said.verdict)
    return 0 if Verdict.REFUSED not in verdicts and Verdict.DONE in verdicts else 2
