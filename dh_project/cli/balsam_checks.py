"""The checks of ``balsam-submit`` before it writes anything, and the settings of the search."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli import hps
from dh_project.cli.parser import Parser
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.balsam.client.models import BalsamBatchJob
    from dh_project.hpc.balsam.jobs.batch_request import BalsamRequest
    from dh_project.hpc.balsam.jobs.packing import Packing
    from dh_project.hpc.balsam.jobs.submitting import Target
    from dh_project.hps.session import LoadedSearch
    from dh_project.hps.settings import SearchSettings

Data = dict[str, tuple[Path, Path]]
"""The run function's arguments that are paths, by name: the path here, and the path for trials."""

OF_HPS = (
    "problem",
    "run",
    "run_kwargs",
    "max_evals",
    "trial_timeout",
    "num_evals_per_node",
    "num_nodes_per_eval",
    "num_ranks_per_node",
    "num_threads_per_rank",
    "num_gpus_per_task",
)
"""Options that are passed to ``deephyper hps``."""

OWN = ("--evaluator", "--log-dir", "--walltime", "--margin", "--workflow", "--fresh")
"""Options of ``deephyper hps`` that ``balsam-submit`` sets itself."""

NEEDED = {
    "problem": "-p",
    "run": "-r",
    "minutes": "-t",
    "queue": "-q",
    "nodes": "-n",
    "project": "-A",
    "mode": "-j",
}
"""Required options of a new search, by the name of their value."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step, and OK when the block ends."""
    print(f"{name}...", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print("OK", flush=True)


def check_words(arguments: argparse.Namespace) -> None:
    """Check the command line, without asking the server."""
    from dh_project.hpc.balsam.jobs.batch_request import check_minutes
    from dh_project.hpc.balsam.jobs.submission import check_name

    check_name(arguments.workflow)
    missing = [
        option for name, option in NEEDED.items() if getattr(arguments, name) is None and name != "project"
    ]
    if missing and not arguments.resume:  # without a project, the site's projects are listed later
        raise UserError(f"balsam-submit hps {arguments.workflow}: {', '.join(missing)} missing; see --help")
    if arguments.minutes is not None:
        check_minutes(arguments.minutes)
    for word in arguments.rest:
        if (option := word.partition("=")[0]) in OWN:
            raise UserError(f"{option}: balsam-submit sets this option itself; leave it out")


def settings_of(arguments: argparse.Namespace, base: SearchSettings | None = None) -> SearchSettings:
    """Return the settings of the search: the options of this command, and those of ``deephyper hps`` after ``--``.

    Args:
        arguments: The parsed options.
        base: Settings that the options change; None for the defaults.

    Raises:
        UserError: ``deephyper hps`` would refuse an option.
    """
    from dh_project.cli import hps_settings
    from dh_project.hps.session import import_from_working_directory
    from dh_project.hps.stoppers import create_stopper
    from dh_project.user_code.loading import absolute_target

    import_from_working_directory()
    given = {name: getattr(arguments, name) for name in OF_HPS if getattr(arguments, name) is not None}
    searcher = arguments.searcher or (base.searcher if base else "ambs")
    parser = Parser(prog="deephyper")
    hps.add_command(parser.add_subparsers())
    more = vars(parser.parse_args(["hps", searcher, *arguments.rest]))
    settings = hps_settings.settings_of(argparse.Namespace(**{"evaluator": "balsam", **given, **more}), base)
    if settings.stopper:
        create_stopper(settings.stopper, settings.stopper_settings)
    return replace(
        settings,
        problem=absolute_target(settings.problem),
        run=absolute_target(str(settings.run)),
        warm_start=tuple(path.absolute() for path in settings.warm_start),
    )


def validate(settings: SearchSettings) -> LoadedSearch:
    """Load the problem and the run function, and check the function's arguments."""
    from dh_project.hps.session import load_search
    from dh_project.results.history import History

    with step("Validating Problem and run"):
        return load_search(settings, History())


def check_place(
    target: Target, batch_request: BalsamRequest, settings: SearchSettings, margin: float | None, chain: int
) -> Packing:
    """Check that the site allows the request and that trials fit into it; return how many fit."""
    from dh_project.hpc.balsam.jobs.agent_contact import is_silent, seconds_silent
    from dh_project.hpc.balsam.jobs.batch_request import check_balsam_request, check_margin
    from dh_project.hpc.balsam.jobs.job_spec import job_spec_of
    from dh_project.hpc.balsam.jobs.packing import pack
    from dh_project.hpc.balsam.jobs.place import shape_of
    from dh_project.hps.session import evaluator_settings
    from dh_project.user_code.loading import load_run

    check_margin(batch_request.minutes, batch_request.job_mode, margin)
    check_balsam_request(target.site, batch_request, chain)
    spec = job_spec_of(load_run(str(settings.run)), target.settings.image)
    node = target.installation.describe().node
    packing = pack(
        node,
        batch_request.nodes,
        batch_request.job_mode,
        shape_of(spec, settings.trial),
        evaluator_settings(settings).trials_per_node,
    )
    if is_silent(target.site):
        warn(
            f"the agent of site {target.site.name} has not been heard of for "
            f"{seconds_silent(target.site) / 60:.0f} minutes; nothing is submitted until it runs: "
            f"deephyper balsam-start {target.installation.folder}"
        )
    return packing


def check_goes_on(settings: SearchSettings, workflow: str, folder: Path) -> None:
    """Check that the folder has the same search, and that it is not complete.

    A search that ``tasks retry`` has prepared may be complete except for the requested attempts.
    """
    from dh_project.hpc.balsam.jobs.submission import Over
    from dh_project.hps.session import load_search, what_is_done
    from dh_project.results.history import Replay
    from dh_project.results.paths import SearchPaths

    history = Replay(SearchPaths(folder)).read()
    if history.identity is None:
        return
    difference = history.identity.difference(load_search(settings, history).identity)
    if difference:
        raise UserError(f"workflow {workflow}: another search: {difference}; submit it under another name")
    done = what_is_done(settings, history)
    if done and Over.read(folder) is not None:
        raise UserError(f"workflow {workflow}: {done}")


def request_again(arguments: argparse.Namespace, made: list[BalsamBatchJob]) -> BalsamRequest:
    """Return the request for batch jobs. Options that were not given are those of the last batch job."""
    from dh_project.hpc.balsam.jobs.batch_request import BalsamRequest

    last = made[-1] if made else None
    fields = {"queue": "queue", "project": "project", "nodes": "num_nodes", "minutes": "wall_time_min"}
    values: dict[str, Any] = {
        name: getattr(arguments, name) or getattr(last, field, None)
        for name, field in {**fields, "mode": "job_mode"}.items()
    }
    missing = [NEEDED[name] for name, value in values.items() if value is None]
    if missing:
        raise UserError(
            f"workflow {arguments.workflow}: it has no earlier batch job with {', '.join(missing)}; give them"
        )
    mode = values.pop("mode")
    return BalsamRequest(**values, job_mode=mode)


def data_in(target: Target, settings: SearchSettings) -> Data:
    """Return the run function's arguments that are paths: the path here, and the path for trials."""
    from dh_project.hpc.balsam.jobs.site_settings import paths_in
    from dh_project.hpc.balsam.jobs.staging import place_of

    paths = paths_in(settings.run_kwargs, target.settings, Path.cwd())
    work = target.settings.work_directory
    return {name: (path, place_of(path, work) if work else path) for name, path in paths.items()}


def with_places(settings: SearchSettings, data: Data) -> SearchSettings:
    """Return settings with the paths for trials as arguments of the run function."""
    places = {name: str(place) for name, (_, place) in data.items()}
    return replace(settings, run_kwargs={**settings.run_kwargs, **places})


def prepare(target: Target, settings: SearchSettings, data: Data) -> None:
    """Call ``prepare`` of the run function's module if trials run on this machine.

    Otherwise this machine may lack resources of the trials, such as a GPU, and the driver calls it in the job.
    """
    from dh_project.user_code.loading import prepare_run

    if target.installation.describe().site_type == "local":
        places = {name: str(source) for name, (source, _) in data.items()}
        prepare_run(str(settings.run), {**settings.run_kwargs, **places})


def bootstrap(target: Target) -> dict[str, int]:
    """Register this version's apps at the site if necessary; return their numbers by name."""
    from dh_project.hpc.balsam.install.apps import register_apps

    with step("Bootstrapping apps"):
        have_changed = register_apps(target.installation, target.client, target.site.id)
        apps = {app.name: app.id for app in target.client.apps(target.site.id)}
    if have_changed:
        folder = target.installation.folder
        warn(
            f"the site had apps of another version; restart its agent, which still has them: "
            f"deephyper balsam-stop {folder}, then deephyper balsam-start {folder}"
        )
    return apps


def warn(text: str) -> None:
    """Print a warning."""
    print(f"warning: {text}", file=sys.stderr)
