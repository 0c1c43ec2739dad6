"""``deephyper submit``: a search as batch jobs of a supercomputer, through the site's own scheduler."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli import hps
from dh_project.cli import hps_options as options
from dh_project.cli import hps_resources as places
from dh_project.cli.console import tell
from dh_project.cli.parser import Parser, positive_float, positive_int
from dh_project.errors import UserError

if TYPE_CHECKING:
    from dh_project.sites.snapshot import Snapshot

EVALUATORS = ("mpi", "ray")
NEEDS = {"mpi": "mpi4py", "ray": "ray"}
"""The package that an evaluator needs."""

LONGEST_NAME = 60

DESCRIPTION = """\
Submit a search as a batch job of a site: check the request against the site's queues, write the job script beside the
search's results, and hand it to the site's own qsub or sbatch.

The search stops in time before its job ends, and the next job goes on with it: --chain 3 submits three, each of which
starts when the one before has ended. Those that a search does not need any more leave the queue.
"""

EPILOG = """\
example:
  deephyper submit polaris --nodes 2 --minutes 60 --queue debug-scaling --project P --chain 3 --log-dir search \\
      --max-evals 500 --problem dh_project.cgcnn_mp.problem.Problem --run dh_project.cgcnn_mp.model_run.run

--dry-run prints the script, and writes nothing.
"""

NOT_HERE = {
    "walltime": "it is the job's, and the script hands it on; leave it out",
    "fresh": "each job would begin anew; name another --log-dir",
    "num_workers": "there is one for each GPU or core of the job; --num-evals-per-node says how many on a node",
    "ray_address": "the script starts the job's own cluster; leave it out",
    "ray_password": "the script starts the job's own cluster; leave it out",
}
"""Options of ``deephyper hps`` that a job's script settles."""

OWN = (
    "evaluator",
    "margin",
    "log_dir",
    "problem",
    "run",
    "num_evals_per_node",
    "num_cpus_per_task",
    "scratch",
)
"""Those that are handed on in another way than the rest."""


def add_command(commands: Any) -> None:
    """Add ``submit`` to the commands; the search's options are added when the command is given."""
    parser = commands.add_parser(
        "submit", help="submit a search as batch jobs of a site", description=DESCRIPTION, epilog=EPILOG
    )
    parser.set_defaults(parser=parser, command=run)
    parser.add_argument(
        "site", metavar="SITE", help="polaris, slurm, …, or the name of a site file of your own"
    )

    job = parser.add_argument_group("the job")
    job.add_argument("--nodes", type=positive_int, required=True, metavar="N", help="its nodes")
    job.add_argument("--minutes", type=positive_int, required=True, metavar="M", help="its walltime")
    job.add_argument("--queue", metavar="Q", help="its queue, partition or quality of service")
    job.add_argument("--project", metavar="P", help="the project that pays")
    job.add_argument("--name", metavar="NAME", help="its name in the queue (the name of --log-dir)")
    job.add_argument(
        "--filesystems", metavar="F", help="file systems that it needs, as home:eagle (the site's)"
    )
    job.add_argument(
        "--chain", type=positive_int, default=1, metavar="K", help="jobs, each after the one before (1)"
    )

    how = parser.add_argument_group("how to submit")
    how.add_argument("--dry-run", action="store_true", help="check all, print the script, and write nothing")
    how.add_argument(
        "--again",
        action="store_true",
        help="submit although jobs of this search are queued; these follow them",
    )
    how.add_argument(
        "--environment",
        metavar="E",
        help="folder of a virtual or conda environment, conda's name, or environment.yml (the one at hand)",
    )
    how.add_argument(
        "--snapshot",
        action="store_true",
        help="copy this folder, and run from the copy (jobs run in this folder)",
    )
    how.add_argument(
        "--snapshot-limit", type=positive_float, metavar="MIB", help="MiB that the copy may have (300)"
    )
    parser.complete = add_search_options


def add_search_options(parser: Parser) -> None:
    """Add the options of ``deephyper hps``, with the evaluators that a job of several nodes has."""
    options.add_options(parser)
    options.add_ambs_options(parser)
    where = parser.group("where trials run")
    where.add_argument("--searcher", choices=("ambs", "random"), default="ambs", help="ambs or random (ambs)")
    actions = {action.dest: action for action in parser._actions}
    evaluator = actions["evaluator"]
    evaluator.choices, evaluator.default, evaluator.help = EVALUATORS, "mpi", "mpi or ray (mpi)"
    actions["margin"].help = "seconds before the job's end at which trials are interrupted (120)"
    actions["num_evals_per_node"].help = "trials at a time on a node (one for each GPU, or core)"
    actions["scratch"].help = "each node's own disk, where trials write (the site's)"
    actions["num_cpus_per_task"].default = None
    actions["num_cpus_per_task"].help = "cores a trial (an even share beside GPUs, else 1)"
    for name in NOT_HERE:
        actions[name].help = argparse.SUPPRESS


def run(arguments: argparse.Namespace) -> int:
    """Submit, or print the script."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that a folder here does not hide an installed package

    from dh_project.sites.environment import find_environment
    from dh_project.sites.facts import Scratch
    from dh_project.sites.jobs_file import CODE, SubmittedJob
    from dh_project.sites.request import Request, check_request
    from dh_project.sites.scheduler import scheduler_of
    from dh_project.sites.script import Program, render
    from dh_project.sites.site import load_site
    from dh_project.sites.submission import jobs_ahead, submit_chain

    say = partial(print, file=sys.stderr) if arguments.dry_run else tell
    folder = arguments.log_dir.absolute()
    site = load_site(arguments.site)
    if arguments.scratch is not None:
        site = site.model_copy(update={"scratch": Scratch(folder=str(arguments.scratch))})
    request = Request(
        nodes=arguments.nodes,
        minutes=arguments.minutes,
        queue=arguments.queue,
        project=arguments.project,
        name=arguments.name or _name_after(folder),
        filesystems=arguments.filesystems,
        jobs=arguments.chain,
    )
    notes = check_request(site, request)
    margin = Program.margin if arguments.margin is None else math.ceil(arguments.margin)
    _check_options(arguments, margin)
    environment = find_environment(arguments.environment, needs=NEEDS[arguments.evaluator])
    snapshot = _plan_snapshot(arguments, folder / CODE)
    directory = folder / CODE if arguments.snapshot else Path.cwd()
    _check_search(arguments, directory)
    scheduler, ahead = None, []
    if not arguments.dry_run:
        scheduler = scheduler_of(site.scheduler, site.name)
        scheduler.check_is_here()
        ahead = jobs_ahead(scheduler, folder)
        if ahead and not arguments.again:
            raise UserError(
                f"{arguments.log_dir}: jobs of this search are queued or run: {', '.join(ahead)}; --again submits "
                f"more, to follow them, and {scheduler.remove_command} takes them out"
            )
    lines = environment.lines
    if arguments.snapshot:  # what is copied, and not an installed version of it, is what runs
        lines += (f'export PYTHONPATH={shlex.quote(str(directory))}"${{PYTHONPATH:+:$PYTHONPATH}}"',)
    program = Program(
        evaluator=arguments.evaluator,
        words=words_of(arguments, folder, directory),
        directory=str(directory),
        activate=lines,
        last=(shlex.join(["python", "-m", "dh_project.sites.chain", str(folder)]) + ' "$status"',),
        margin=margin,
        ranks_per_node=arguments.num_evals_per_node,
        ranks_per_trial=arguments.ranks_per_trial or 1,
        cpus_per_trial=arguments.num_cpus_per_task,
    )
    script = render(site, request, program)
    for note in notes:
        say(f"note         {note}")
    say(f"environment  {environment.kind} {environment.folder}")
    _tell_what_is_shipped(say, arguments, directory, snapshot)
    if scheduler is None:
        print(script, end="")
        return 0
    _make_folder(folder, snapshot, folder / CODE)
    job = SubmittedJob(
        job="",
        site=site.name,
        scheduler=site.scheduler,
        queue=request.queue,
        nodes=request.nodes,
        minutes=request.minutes,
        after=ahead[-1] if ahead else None,
    )
    for made in submit_chain(scheduler, folder, script, job, arguments.chain):
        say(f"submitted    {made.job}" + (f", to start after {made.after}" if made.after else ""))
    say(f"results      {folder} (jobs.jsonl has the jobs, job.sh what they run)")
    return 0


def _name_after(folder: Path) -> str:
    """Return a job's name after the folder of its search, as far as schedulers take it."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", folder.name)
    return (name if name[:1].isalpha() else f"search_{name}")[:LONGEST_NAME]


def _check_options(arguments: argparse.Namespace, margin: int) -> None:
    """Check what ``deephyper hps`` would refuse in the job, but for what needs the job."""
    from dh_project.evaluators import check_spread

    for name, why in NOT_HERE.items():
        if getattr(arguments, name):
            raise UserError(f"--{name.replace('_', '-')}: {why}")
    if arguments.snapshot_limit is not None and not arguments.snapshot:
        raise UserError(
            "--snapshot-limit: nothing is copied without --snapshot; give that too, or leave it out"
        )
    if arguments.searcher == "random":
        for words in _given(arguments, options.add_ambs_options):
            raise UserError(
                f"{words[0]}: random search has no model; leave it out, or search with --searcher ambs"
            )
    places.check_places(_with(arguments, num_evals_per_node=None), arguments.evaluator)
    check_spread(arguments.evaluator, places.resources(_with(arguments, num_cpus_per_task=1)))
    if 60 * arguments.minutes <= margin:
        raise UserError(
            f"--minutes {arguments.minutes}: the margin of {margin} s leaves no time; give more minutes, or a "
            f"shorter --margin"
        )
    options.ambs_settings(arguments)
    options.stopper(arguments)


def _with(arguments: argparse.Namespace, **values: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), **values})


def _check_search(arguments: argparse.Namespace, directory: Path) -> None:
    """Check that problem and run function load, and that the folder is free or has this search, with work left."""
    from dh_project.history import check_same_search
    from dh_project.trial import SearchPaths

    paths = SearchPaths(arguments.log_dir)
    history = hps.earlier_sessions(paths, fresh=False)
    problem, identity = hps.load_search(arguments, history)
    identity = replace(
        identity, problem=_target(arguments.problem, directory), run=_target(arguments.run, directory)
    )
    check_same_search(paths, history, identity)
    hps.read_sources(arguments, paths, history, problem)
    done = hps.what_is_done(history, options.limits(_with(arguments, margin=None)))
    if done is not None:
        raise UserError(
            f"{arguments.log_dir}: {done}; there is nothing to submit, or give a larger --max-evals"
        )


def _target(target: str, directory: Path) -> str:
    """Return where a problem or a run function is for the job; a file of this folder is also in the copy of it."""
    from dh_project.loading import absolute_target

    there = absolute_target(target)
    here = Path.cwd().resolve()
    is_copied = there != target or Path(there).is_absolute()
    if is_copied and directory != Path.cwd() and Path(there).is_relative_to(here):
        return str(directory.resolve() / Path(there).relative_to(here))
    return there


def words_of(arguments: argparse.Namespace, folder: Path, directory: Path) -> list[str]:
    """Return the command line of the search, without its evaluator and the time that it has.

    Args:
        arguments: As they were parsed.
        folder: Of the search's results.
        directory: Where the job runs.
    """
    words = ["--problem", _target(arguments.problem, directory), "--run", _target(arguments.run, directory)]
    words += ["--log-dir", str(folder)]
    for given in _given(arguments, options.add_options, leave_out=(*OWN, *NOT_HERE)):
        words += given
    if arguments.searcher == "ambs":
        for given in _given(arguments, options.add_ambs_options):
            words += given
    return ["hps", arguments.searcher, *words]


def _given(
    arguments: argparse.Namespace, add: Callable[[Parser], None], leave_out: tuple[str, ...] = ()
) -> list[list[str]]:
    """Return the options that have other values than their defaults, each with its words."""
    parser = Parser(add_help=False)
    add(parser)
    given = []
    for action in parser._actions:
        value = getattr(arguments, action.dest, action.default)
        if action.dest in leave_out or value == action.default:
            continue
        option = action.option_strings[0]
        if value is True:
            given.append([option])
        elif isinstance(value, list) and type(action) is argparse._AppendAction:
            given += [[option, *map(str, words)] for words in value]
        elif isinstance(value, list):
            given.append(
                [option, *(str(word.absolute() if isinstance(word, Path) else word) for word in value)]
            )
        else:
            given.append([option, str(value)])
    return given


def _plan_snapshot(arguments: argparse.Namespace, target: Path) -> Snapshot | None:
    """Find what is to be copied; None where nothing is, or was copied by an earlier submission."""
    if not arguments.snapshot or target.exists():
        return None
    from dh_project.sites.snapshot import LIMIT_MIB, MIB, plan_snapshot

    limit = arguments.snapshot_limit or LIMIT_MIB
    return plan_snapshot(Path.cwd(), arguments.log_dir, limit * MIB)


def _tell_what_is_shipped(
    say: Callable[[str], None], arguments: argparse.Namespace, directory: Path, snapshot: Snapshot | None
) -> None:
    if snapshot is not None:
        ignored = f"{snapshot.ignore_file.name} honoured" if snapshot.ignore_file else "no ignore file"
        say(
            f"code         {directory}, a copy of {snapshot.source}: {len(snapshot.files)} files, "
            f"{snapshot.bytes / 2**20:.1f} MiB, {ignored}"
        )
    elif arguments.snapshot:
        say(f"code         {directory}, as an earlier submission copied it; remove it to copy anew")
    else:
        say(
            f"code         nothing is copied: jobs run in {directory}, and find it as it is when they start "
            f"(--snapshot copies it)"
        )


def _make_folder(folder: Path, snapshot: Snapshot | None, target: Path) -> None:
    """Make the search's folder, and copy into it what is to be copied."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--log-dir {folder}: cannot be written to: {error.strerror}") from None
    if snapshot is not None:
        from dh_project.sites.snapshot import take_snapshot

        take_snapshot(snapshot, target)
