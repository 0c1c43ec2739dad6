"""``deephyper balsam-submit hps``: submits a search as jobs of a Balsam site."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING, Any

from dh_project.cli import balsam_checks as checks
from dh_project.cli.balsam_checks import step
from dh_project.cli.parser import positive_float, positive_int
from dh_project.common.console import tell
from dh_project.common.errors import UserError, unknown

if TYPE_CHECKING:
    from dh_project.hpc.balsam.client.models import BalsamBatchJob, BalsamJob
    from dh_project.hpc.balsam.jobs.batch_request import BalsamRequest
    from dh_project.hpc.balsam.jobs.submission import Submission
    from dh_project.hpc.balsam.jobs.submitting import Target

EXAMPLE = """\
example:
  deephyper balsam-init polydb
  source polydb/activate
  deephyper balsam-submit hps demo -p dh_project.cgcnn_mp.problem.Problem -r dh_project.cgcnn_mp.model_run.run \\
      -t 30 -q local -n 1 -A local -j serial --max-evals 6

Further options of deephyper hps follow after --, as in: … --max-evals 6 -- --stopper median
"""


def add_command(commands: Any) -> None:
    """Add ``balsam-submit`` to the commands."""
    text = "submit a search to a Balsam site"
    parser = commands.add_parser("balsam-submit", help=text, description=text, epilog=EXAMPLE)
    parser.set_defaults(command=run)
    parser.has_rest = True
    parser.add_argument("what", metavar="hps", nargs="?", help="what to submit: hps")
    parser.add_argument(
        "workflow", metavar="WORKFLOW", nargs="?", help="name of the search, unique at the site"
    )

    what = parser.add_argument_group("what to search")
    what.add_argument("-p", "--problem", metavar="P", help="package.module.Problem, or a path to problem.py")
    what.add_argument("-r", "--run", metavar="R", help="package.module.run, or a path to model_run.py")
    what.add_argument("--run-kwargs", nargs="+", metavar="KEY=VALUE", help="constant arguments of run")
    what.add_argument("--searcher", choices=("ambs", "random"), help="ambs or random (ambs)")
    what.add_argument("--max-evals", type=int, metavar="N", help="number of trials (no limit)")
    what.add_argument(
        "--trial-timeout", type=positive_float, metavar="S", help="seconds after which a trial is killed"
    )

    batch = parser.add_argument_group("the batch job")
    batch.add_argument(
        "-t", "--time-minutes", dest="minutes", type=positive_int, metavar="MIN", help="time limit in minutes"
    )
    batch.add_argument("-q", "--queue", metavar="Q", help="queue")
    batch.add_argument("-n", "--nodes", type=positive_int, metavar="N", help="number of nodes")
    batch.add_argument("-A", "--project", dest="project", metavar="A", help="project that is charged")
    batch.add_argument(
        "-j", "--job-mode", dest="mode", choices=("mpi", "serial"), help="how Balsam launches trials"
    )
    batch.add_argument(
        "--chain",
        type=positive_int,
        metavar="K",
        help="number of batch jobs, one after another, that continue the search (1)",
    )
    batch.add_argument(
        "--margin",
        type=positive_float,
        metavar="S",
        help="seconds before the end of a job at which trials are interrupted",
    )
    batch.add_argument(
        "--site", metavar="DIR", help="folder of balsam-init, or name of a site (the activated site)"
    )

    trial = parser.add_argument_group("a trial")
    whole, many = (
        partial(trial.add_argument, type=positive_int, metavar="N"),
        "trials on a node (all GPUs, or cores)",
    )
    whole("--num-evals-per-node", help=many)
    whole("--num-nodes-per-eval", help="nodes of a trial (1)")
    whole("--num-ranks-per-node", help="processes of a trial on a node (1)")
    whole("--num-threads-per-rank", help="cores of each process (an even share)")
    trial.add_argument("--num-gpus-per-task", type=float, metavar="G", help="GPUs of a trial on a node")

    how = parser.add_argument_group("how to submit")
    how.add_argument("--resume", action="store_true", help="continue a submitted search")
    how.add_argument(
        "--dry-run", action="store_true", help="check everything and show the jobs, but submit nothing"
    )
    how.add_argument("--wait", action="store_true", help="follow the search to its end")


def run(arguments: argparse.Namespace) -> int:
    """Submit a search."""
    if arguments.what is None:
        arguments.parser.print_help()
        return 0
    if arguments.what == "nas":
        raise UserError(
            "balsam-submit nas: there is no architecture search any more; describe the architecture by the "
            "hyperparameters of a Problem: deephyper balsam-submit hps"
        )
    if arguments.what != "hps":
        raise unknown("thing to submit", arguments.what, ["hps"])
    if arguments.workflow is None:
        raise UserError(
            "balsam-submit hps: give the search a name, as in: deephyper balsam-submit hps demo …"
        )
    checks.check_words(arguments)

    from dh_project.hpc.balsam.client.client import RefusalsAreMistakes

    with RefusalsAreMistakes():
        return _resume(arguments) if arguments.resume else _submit(arguments)


def _submit(arguments: argparse.Namespace) -> int:
    """Submit a new search."""
    from dh_project.hpc.balsam.client import tags
    from dh_project.hpc.balsam.jobs.batch_request import BalsamRequest
    from dh_project.hpc.balsam.jobs.submission import Submission
    from dh_project.hpc.balsam.jobs.submitting import check_is_new, find_target, making_job, new_request
    from dh_project.hps.settings_file import to_data

    workflow, chain = arguments.workflow, arguments.chain or 1
    settings = checks.settings_of(arguments)
    checks.validate(settings)
    target = find_target(arguments.site)
    check_is_new(target, workflow)
    batch_request = BalsamRequest(
        nodes=arguments.nodes,
        minutes=arguments.minutes,
        queue=arguments.queue,
        project=arguments.project,
        job_mode=arguments.mode,
    )
    packing = checks.check_place(target, batch_request, settings, arguments.margin, chain)
    data = checks.data_in(target, settings)
    checks.prepare(target, settings, data)
    submission = Submission(
        workflow=workflow,
        search=to_data(checks.with_places(settings, data)),
        margin=arguments.margin,
        import_from=str(Path.cwd()),
        last_batch_job=chain,
    )
    if target.settings.outputs:
        name = f"{workflow}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        submission.outputs = target.settings.outputs / name
    if arguments.dry_run:
        request = new_request(0, workflow, packing.driver)
        _show_plan(
            request.model_dump() | {"parameters": request.parameters}, submission, batch_request, target
        )
        return 0
    _stage(data)
    apps = checks.bootstrap(target)
    request = new_request(apps[tags.SEARCH], workflow, packing.driver)
    with making_job(target, request, submission) as job:
        tell(f"Creating HPS({settings.searcher.upper()}) BalsamJob...OK")
        _perform(target, batch_request, job, submission)
    return _follow(target, job, submission) if arguments.wait else 0


def _resume(arguments: argparse.Namespace) -> int:
    """Continue a submitted search, with the same or new options."""
    from dh_project.hpc.balsam.jobs.chain import batch_jobs_of
    from dh_project.hpc.balsam.jobs.submission import Submission
    from dh_project.hpc.balsam.jobs.submitting import check_is_idle, find_target, search_job, waking_job
    from dh_project.hps.settings_file import to_data

    target = find_target(arguments.site)
    job = search_job(target, arguments.workflow)
    check_is_idle(target, arguments.workflow, job)
    folder = target.folder(job.workdir)
    before = Submission.read(folder)
    if before.import_from not in sys.path:
        sys.path.append(before.import_from)
    settings, margin = checks.settings_of(arguments, before.settings()), arguments.margin or before.margin
    checks.validate(settings)
    data = checks.data_in(target, settings) if arguments.run_kwargs else {}
    checks.check_goes_on(checks.with_places(settings, data), arguments.workflow, folder)
    made = batch_jobs_of(target.client, target.site.id, arguments.workflow)
    batch_request = checks.request_again(arguments, made)
    checks.check_place(target, batch_request, settings, margin, arguments.chain or 1)
    submission = before.model_copy(
        update={
            "search": to_data(checks.with_places(settings, data)),
            "margin": margin,
            "last_batch_job": len(made) + (arguments.chain or 1),
        }
    )
    if arguments.dry_run:
        _show_plan(job.model_dump(mode="json"), submission, batch_request, target)
        return 0
    _stage(data)
    checks.bootstrap(target)
    with waking_job(target, job, submission):
        tell(f"Resuming HPS({settings.searcher.upper()}) BalsamJob...OK")
        _perform(target, batch_request, job, submission)
    return _follow(target, job, submission, is_new=False) if arguments.wait else 0


def _stage(data: checks.Data) -> None:
    """Copy input data to the paths for trials."""
    from dh_project.hpc.balsam.jobs.staging import stage_in

    if any(source != place for source, place in data.values()):
        with step("Staging data"):
            for source, place in data.values():
                stage_in(source, place)


def _perform(target: Target, batch_request: BalsamRequest, job: BalsamJob, submission: Submission) -> None:
    """Submit the batch job, and print the folder of the search."""
    from dh_project.hpc.balsam.jobs.agent_contact import is_silent
    from dh_project.hpc.balsam.jobs.submitting import submit

    tell("Performing job submission...")
    batch_job = submit(target, batch_request, submission.workflow, is_agent_there=not is_silent(target.site))
    tell(f"Submit OK: BatchJob {_shown(batch_job)}")
    lines = [f"Success. The search will run at: {target.folder(job.workdir)}"]
    if submission.outputs:
        lines.append(f"Results will be copied to: {submission.outputs}")
    stars = "*" * max(map(len, lines))
    tell("\n".join([stars, *lines, stars]))


def _shown(batch_job: BalsamBatchJob) -> str:
    """Return a batch job in the format of DeepHyper's tutorial, without empty fields."""
    fields = {
        "command": (batch_job.status_info or {}).get("submit_script"),
        "id": batch_job.id,
        "job_mode": batch_job.job_mode,
        "nodes": batch_job.num_nodes,
        "project": batch_job.project,
        "queue": batch_job.queue,
        "scheduler_id": batch_job.scheduler_id,
        "state": str(batch_job.state),
        "wall_minutes": batch_job.wall_time_min,
        "wf_filter": batch_job.filter_tags["workflow"],
    }
    return pformat({name: value for name, value in fields.items() if value is not None}, indent=4)


def _show_plan(
    job: dict[str, Any], submission: Submission, batch_request: BalsamRequest, target: Target
) -> None:
    """Print the jobs that would be submitted."""
    batch = batch_request.body(target.site.id, submission.workflow)
    tell(f"Would search with: {pformat(submission.search, indent=4)}")
    tell(f"Would create: Job {pformat(job, indent=4)}")
    tell(f"Would submit: BatchJob {pformat(batch.model_dump(), indent=4)}")
    tell("Nothing was submitted.")


def _follow(target: Target, job: BalsamJob, submission: Submission, is_new: bool = True) -> int:
    """Follow the search to its end, and return its exit status, the same as of ``deephyper hps``."""
    from dh_project.hpc.balsam.jobs.following import Follower
    from dh_project.hpc.balsam.jobs.submission import OUTPUT
    from dh_project.hps.progress import Lines
    from dh_project.hps.summary import print_summary
    from dh_project.results.search_results import exit_status, results_of

    folder = target.folder(job.workdir)
    follower = Follower(target, submission.workflow, job, tell, Lines())
    if not is_new:
        follower.pass_over()
    try:
        over = follower.follow()
    except KeyboardInterrupt:
        tell(
            f"no longer followed; the search continues. To see its state: deephyper tasks show --workflow "
            f"{submission.workflow}"
        )
        return 130
    found = results_of(folder, follower.history)
    if found.history.ended:
        print_summary(found)
    if over is None:
        is_failed = follower.job.state == "FAILED"
        why = f"its own job failed, see {folder / OUTPUT}" if is_failed else "no batch job is left"
        tell(
            f"the search is interrupted: {why}; continue it with: deephyper balsam-submit hps "
            f"{submission.workflow} --resume"
        )
        return exit_status(found) if found.history.ended else 1
    if over.status:
        tell(f"the search ended with status {over.status}: {over.reason}")
    return over.status
