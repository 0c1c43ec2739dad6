"""What ``balsam-submit`` checks before it makes anything, and the settings that it hands on to the search."""

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
    from dh_project.search.session import LoadedSearch
    from dh_project.search.settings import SearchSettings

Data = dict[str, tuple[Path, Path]]
"""The run function's arguments that are files or folders: where each is, and where trials find it."""

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
"""Options that are handed on to ``deephyper hps``."""

OWN = ("--evaluator", "--log-dir", "--walltime", "--margin", "--workflow", "--fresh")
"""Options of ``deephyper hps`` that are not the user's here."""

NEEDED = {
    "problem": "-p",
    "run": "-r",
    "minutes": "-t",
    "queue": "-q",
    "nodes": "-n",
    "project": "-A",
    "mode": "-j",
}
"""What a new search cannot do without."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print what is done, and OK when it is."""
    print(f"{name}...", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print("OK", flush=True)


def check_words(arguments: argparse.Namespace) -> None:
    """Check what can be told from the command line alone."""
    from dh_project.hpc.balsam.jobs.batch_request import check_minutes
    from dh_project.hpc.balsam.jobs.submission import check_name

    check_name(arguments.workflow)
    missing = [
        option for name, option in NEEDED.items() if getattr(arguments, name) is None and name != "project"
    ]
    if missing and not arguments.resume:  # the site says which projects there are
        raise UserError(f"balsam-submit hps {arguments.workflow}: {', '.join(missing)} missing; see --help")
    if arguments.minutes is not None:
        check_minutes(arguments.minutes)
    for word in arguments.rest:
        if (option := word.partition("=")[0]) in OWN:
            raise UserError(f"{option}: balsam-submit gives it to deephyper hps itself; leave it out")


def settings_of(arguments: argparse.Namespace, base: SearchSettings | None = None) -> SearchSettings:
    """Return the settings of the search: the options of this command, and those of ``deephyper hps`` after ``--``.

    Args:
        arguments: As they were parsed.
        base: Settings to change; None for the defaults.

    Raises:
        UserError: ``deephyper hps`` would refuse an option.
    """
    from dh_project.cli import hps_settings
    from dh_project.search.session import import_from_working_directory
    from dh_project.search.stoppers import create_stopper
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
    """Load problem and run function, and check the arguments that the function gets."""
    from dh_project.results.history import History
    from dh_project.search.session import load_search

    with step("Validating Problem and run"):
        return load_search(settings, History())


def check_place(
    target: Target, batch_request: BalsamRequest, settings: SearchSettings, margin: float | None, chain: int
) -> Packing:
    """Check that the site gives so much, and that trials fit into it; return what jobs take."""
    from dh_project.hpc.balsam.jobs.agent_contact import is_silent, seconds_silent
    from dh_project.hpc.balsam.jobs.batch_request import check_balsam_request, check_margin
    from dh_project.hpc.balsam.jobs.job_spec import job_spec_of
    from dh_project.hpc.balsam.jobs.packing import pack
    from dh_project.hpc.balsam.jobs.place import shape_of
    from dh_project.search.session import evaluator_settings
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
    """Check that a search is the one that it was, and that something of it is left to do.

    A search that ``tasks retry`` has set up to go on may be complete but for attempts that are asked for.
    """
    from dh_project.hpc.balsam.jobs.submission import Over
    from dh_project.results.history import History
    from dh_project.results.journal import scan
    from dh_project.results.paths import SearchPaths
    from dh_project.search.session import load_search, what_is_done

    history = History.replay(scan(SearchPaths(folder).journal)[0])
    if history.identity is None:
        return
    difference = history.identity.difference(load_search(settings, history).identity)
    if difference:
        raise UserError(f"workflow {workflow}: another search: {difference}; submit it under another name")
    done = what_is_done(settings, history)
    if done and Over.read(folder) is not None:
        raise UserError(f"workflow {workflow}: {done}; give a larger --max-evals")


def request_again(arguments: argparse.Namespace, made: list[BalsamBatchJob]) -> BalsamRequest:
    """Return what is asked for now; what is not said is as in the last batch job."""
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
            f"workflow {arguments.workflow}: it has no batch job to take {', '.join(missing)} from; give that"
        )
    mode = values.pop("mode")
    return BalsamRequest(**values, job_mode=mode)


def data_in(target: Target, settings: SearchSettings) -> Data:
    """Return the run function's arguments that are files or folders: where each is, and where trials find it."""
    from dh_project.hpc.balsam.jobs.site_settings import paths_in
    from dh_project.hpc.balsam.jobs.staging import place_of

    paths = paths_in(settings.run_kwargs, target.settings, Path.cwd())
    work = target.settings.work_directory
    return {name: (path, place_of(path, work) if work else path) for name, path in paths.items()}


def with_places(settings: SearchSettings, data: Data) -> SearchSettings:
    """Return settings whose run function gets the paths that trials find."""
    places = {name: str(place) for name, (_, place) in data.items()}
    return replace(settings, run_kwargs={**settings.run_kwargs, **places})


def prepare(target: Target, settings: SearchSettings, data: Data) -> None:
    """Let the run function's module prepare and check its arguments, where trials run on this machine.

    Elsewhere the machine at hand may lack what trials have, a GPU for instance; there the driver does it.
    """
    from dh_project.user_code.loading import prepare_run

    if target.installation.describe().site_type == "local":
        places = {name: str(source) for name, (source, _) in data.items()}
        prepare_run(str(settings.run), {**settings.run_kwargs, **places})


def bootstrap(target: Target) -> dict[str, int]:
    """Make sure that the site has this version's apps; return their numbers."""
    from dh_project.hpc.balsam.install.apps import register_apps

    with step("Bootstrapping apps"):
        have_changed = register_apps(target.installation, target.client, target.site.id)
        apps = {app.name: app.id for app in target.client.apps(target.site.id)}
    if have_changed:
        folder = target.installation.folder
        warn(
            f"the site's apps were of another version; its agent knows the old ones until it is started anew: "
            f"deephyper balsam-stop {folder}, then deephyper balsam-start {folder}"
        )
    return apps


def warn(text: str) -> None:
    """Print a line that is no mistake, and yet to be read."""
    print(f"warning: {text}", file=sys.stderr)
