"""``deephyper submit``: runs a search as batch jobs of a supercomputer, through the site's own scheduler."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

from dh_project.cli import hps_options as options
from dh_project.cli.parser import Parser, positive_float, positive_int
from dh_project.cli.submit_search import (
    IN_THE_SCRIPT,
    NOT_HERE,
    SETTINGS,
    Code,
    check_margin,
    plan_code,
    scratch_folder,
    script_shape,
    settings_in_the_job,
    submitted_settings,
)
from dh_project.common.console import tell
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.batch_jobs.environment import PythonEnvironment
    from dh_project.hpc.batch_jobs.record import BatchJob
    from dh_project.hpc.batch_jobs.request import Request
    from dh_project.hpc.batch_jobs.scheduler import Scheduler
    from dh_project.hpc.batch_jobs.script import Program
    from dh_project.hpc.sites.facts import Site
    from dh_project.hps.settings import SearchSettings

EVALUATORS = ("mpi", "ray")
NEEDS = {"mpi": "mpi4py", "ray": "ray"}
"""The package that an evaluator needs."""

LONGEST_NAME = 60

DESCRIPTION = """\
Submit a search as a batch job of a site: check the request against the site's queues, write the job script into the
search's folder, and submit it with the site's own qsub or sbatch.

The search stops before its job ends, and the next job continues it: --chain 3 submits three jobs, each of which
starts when the one before has ended. When the search is complete, the remaining jobs are taken out of the queue.
"""

EPILOG = """\
example:
  deephyper submit polaris --nodes 2 --minutes 60 --queue preemptable --project P --chain 3 --log-dir search \\
      --max-evals 500 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run

--dry-run prints the script and the commands that would submit it, and writes nothing. deephyper sites lists sites and
queues; deephyper tasks show lists your jobs.
"""


def add_command(commands: Any) -> None:
    """Add ``submit`` to the commands; the search's options are added when the command is given."""
    parser = commands.add_parser(
        "submit", help="submit a search as batch jobs of a site", description=DESCRIPTION, epilog=EPILOG
    )
    parser.set_defaults(command=run)
    parser.add_argument(
        "site", metavar="SITE", help="polaris, slurm, …, or the name of a site file of your own"
    )

    job = parser.add_argument_group("the job")
    job.add_argument("-n", "--nodes", type=positive_int, required=True, metavar="N", help="its nodes")
    job.add_argument(
        "-t",
        "--minutes",
        "--time-minutes",
        type=positive_int,
        required=True,
        metavar="M",
        help="its walltime",
    )
    job.add_argument("-q", "--queue", metavar="Q", help="its queue, partition or quality of service")
    job.add_argument("-A", "--project", metavar="P", help="the project that pays")
    job.add_argument("--name", metavar="NAME", help="its name in the queue (the name of --log-dir)")
    job.add_argument(
        "--filesystems", metavar="F", help="file systems that it needs, as home:eagle (the site's)"
    )
    job.add_argument(
        "--directive",
        action="append",
        default=[],
        metavar="LINE",
        help="a further line for the scheduler, as --directive=--gres=gpu:4 (repeatable)",
    )
    job.add_argument(
        "--chain", type=positive_int, default=1, metavar="K", help="jobs, each after the one before (1)"
    )

    how = parser.add_argument_group("how to submit")
    how.add_argument(
        "--dry-run", action="store_true", help="check the request, print the script, and write nothing"
    )
    how.add_argument(
        "--again",
        action="store_true",
        help="submit although jobs of this search are queued; the new jobs follow them",
    )
    how.add_argument(
        "--environment",
        metavar="E",
        help="folder or name of a virtual or conda environment, or environment.yml (this one)",
    )
    how.add_argument(
        "--snapshot",
        action="store_true",
        help="copy this folder, and run jobs in the copy (they run in this folder)",
    )
    how.add_argument(
        "--snapshot-limit", type=positive_float, metavar="MIB", help="largest size of the copy in MiB (300)"
    )
    parser.complete = add_search_options


def add_search_options(parser: Parser) -> None:
    """Add the options of ``deephyper hps``, with the evaluators that run on several nodes."""
    options.add_options(parser)
    options.add_ambs_options(parser)
    where = parser.group("where trials run")
    where.add_argument("--searcher", choices=("ambs", "random"), default="ambs", help="ambs or random (ambs)")
    actions = {action.dest: action for action in parser._actions}
    actions["evaluator"].choices, actions["evaluator"].help = EVALUATORS, "mpi or ray (mpi)"
    parser.set_defaults(evaluator="mpi", log_dir=Path(), **dict.fromkeys(IN_THE_SCRIPT))
    actions["margin"].help = "seconds before the job's end at which trials are interrupted (120)"
    actions["num_evals_per_node"].help = "trials at a time on a node (one for each GPU or core)"
    actions["num_gpus_per_task"].help = "GPUs of a trial (1, or a share if there are more trials)"
    actions["scratch"].help = "local disk of a node for trials (the site's)"
    actions["num_cpus_per_task"].help = "cores of a trial (an even share on nodes with GPUs, else 1)"
    for name in {*NOT_HERE, *options.BALSAM_OPTIONS}:
        actions[name].help = argparse.SUPPRESS


def run(arguments: argparse.Namespace) -> int:
    """Submit the search, or print its script."""
    from dh_project.hpc.batch_jobs.environment import find_environment, what_is_missing
    from dh_project.hpc.batch_jobs.record import CODE
    from dh_project.hpc.batch_jobs.request_check import check_request
    from dh_project.hpc.batch_jobs.script import render
    from dh_project.hpc.batch_jobs.submit_chain import planned_commands, submit_chain
    from dh_project.hps.settings_file import settings_text, write_settings

    say = partial(print, file=sys.stderr) if arguments.dry_run else tell
    settings = submitted_settings(arguments)
    folder = settings.folder.absolute()
    site, request = _site(arguments), _request(arguments, folder)
    notes = check_request(site, request)
    check_margin(arguments.minutes, _margin(arguments))
    environment = find_environment(arguments.environment)
    missing = what_is_missing(arguments.environment, environment, NEEDS[settings.evaluator])
    if missing is not None and not arguments.dry_run:
        raise UserError(missing)
    notes += [missing] if missing is not None else []
    code = plan_code(arguments, folder / CODE)
    settings = settings_in_the_job(settings, code.directory)
    program = _program(arguments, settings, code, environment)
    script = render(site, request, program)
    notes += _idle_gpus(site, request, program, settings)
    scheduler, ahead = (None, []) if arguments.dry_run else _scheduler_and_jobs(arguments, site, folder)
    for note in notes:
        say(f"note         {note}")
    say(f"environment  {environment.kind} {environment.folder}")
    say(f"code         {code.in_words()}")
    if scheduler is None:
        say(f"settings     {folder / SETTINGS}:\n{indent(settings_text(settings).rstrip(), ' ' * 13)}")
        for command in planned_commands(site, folder, arguments.chain):
            say(f"would submit {command}")
        print(script, end="")
        return 0
    _make_folder(folder)
    write_settings(settings, folder / SETTINGS)
    code.copy()
    for made in submit_chain(scheduler, folder, script, _job(site, request, ahead), arguments.chain):
        say(f"submitted    {made.job}" + (f", to start after {made.after}" if made.after else ""))
    _remember(folder)
    say(f"results      {folder} (jobs.jsonl has the jobs, job.sh what they run)")
    return 0


def _site(arguments: argparse.Namespace) -> Site:
    """Return the site, with the scratch folder of the command line."""
    from dh_project.hpc.sites.facts import Scratch
    from dh_project.hpc.sites.site import load_site

    site = load_site(arguments.site)
    if arguments.scratch is None:
        return site
    return site.model_copy(update={"scratch": Scratch(folder=scratch_folder(arguments))})


def _request(arguments: argparse.Namespace, folder: Path) -> Request:
    """Return the request to the site."""
    from dh_project.hpc.batch_jobs.request import Request

    return Request(
        nodes=arguments.nodes,
        minutes=arguments.minutes,
        queue=arguments.queue,
        project=arguments.project,
        name=arguments.name or _name_after(folder),
        filesystems=arguments.filesystems,
        directives=tuple(arguments.directive),
        jobs=arguments.chain,
    )


def _program(
    arguments: argparse.Namespace, settings: SearchSettings, code: Code, environment: PythonEnvironment
) -> Program:
    """Return the program that each job runs."""
    from dh_project.hpc.batch_jobs.script import Program

    return Program(
        evaluator="ray" if settings.evaluator == "ray" else "mpi",
        words=["hps", settings.searcher, "--settings", str(settings.folder / SETTINGS)],
        directory=str(code.directory),
        activate=(*environment.lines, *code.lines),
        last=(
            shlex.join(["python", "-m", "dh_project.hpc.batch_jobs.end_chain", str(settings.folder)])
            + ' "$status"',
        ),
        margin=_margin(arguments),
        shape=script_shape(arguments, settings),
        ranks_per_node=arguments.num_evals_per_node,
    )


def _idle_gpus(site: Site, request: Request, program: Program, settings: SearchSettings) -> list[str]:
    """Return a note if no trial uses some GPUs of the job."""
    from dh_project.hpc.sites.share import Share, idle_gpus

    idle = idle_gpus(site, program, Share.of(site, program), request.nodes, settings.max_trials)
    if not idle or site.gpu is None:
        return []
    return [
        f"{idle:g} of the {request.nodes * site.gpu.count} GPUs of the job stay idle; ask for fewer nodes, or change "
        "--num-evals-per-node, --num-gpus-per-task or --max-evals"
    ]


def _margin(arguments: argparse.Namespace) -> int:
    """Return the seconds before a job's end at which its trials are interrupted."""
    from dh_project.hpc.batch_jobs.script import Program

    return Program.margin if arguments.margin is None else math.ceil(arguments.margin)


def _scheduler_and_jobs(
    arguments: argparse.Namespace, site: Site, folder: Path
) -> tuple[Scheduler, list[str]]:
    """Return the site's scheduler, and the jobs of the search that wait or run there.

    Raises:
        UserError: The scheduler is not on this machine; or there are such jobs, and ``--again`` is not given.
    """
    from dh_project.hpc.batch_jobs.scheduler import scheduler_of
    from dh_project.hpc.batch_jobs.submit_chain import jobs_ahead

    scheduler = scheduler_of(site.scheduler, site.name)
    scheduler.check_is_here()
    ahead = jobs_ahead(scheduler, folder)
    if ahead and not arguments.again:
        raise UserError(
            f"{arguments.log_dir}: jobs of this search are queued or run: {', '.join(ahead)}; --again submits "
            f"more, to follow them, and {scheduler.remove_command} takes them out"
        )
    return scheduler, ahead


def _job(site: Site, request: Request, ahead: list[str]) -> BatchJob:
    """Return the record that the jobs share."""
    from dh_project.hpc.batch_jobs.record import BatchJob

    return BatchJob(
        job="",
        site=site.name,
        scheduler=site.scheduler,
        queue=request.queue,
        nodes=request.nodes,
        minutes=request.minutes,
        after=ahead[-1] if ahead else None,
    )


def _name_after(folder: Path) -> str:
    """Return a job's name made of the folder of its search, in characters that schedulers take."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", folder.name)
    return (name if name[:1].isalpha() else f"search_{name}")[:LONGEST_NAME]


def _remember(folder: Path) -> None:
    """Put the search on the list that ``deephyper tasks show`` reads."""
    from dh_project.hpc.batch_jobs.searches_file import remember_search

    try:
        remember_search(folder)
    except OSError as error:
        tell(
            f"note         {error.filename}: {error.strerror}; list them with: deephyper tasks show --log-dir DIR"
        )


def _make_folder(folder: Path) -> None:
    """Make the search's folder.

    Raises:
        UserError: The folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--log-dir {folder}: cannot be written to: {error.strerror}") from None
