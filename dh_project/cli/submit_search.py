"""Prepares the search of ``deephyper submit``: checks, settings for the job, and the code that it runs."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dh_project.cli.hps_options import SEARCHER_OPTIONS, option_of
from dh_project.cli.hps_settings import settings_of
from dh_project.common.errors import UserError
from dh_project.trial.shape import TrialShape

if TYPE_CHECKING:
    from dh_project.hpc.batch_jobs.snapshot import Snapshot
    from dh_project.hps.settings import SearchSettings

SETTINGS = "search.toml"
"""File of the settings, in the folder of the search."""

NOT_HERE = {
    "walltime": "the job script gives it; leave it out",
    "fresh": "each job would begin a new search; name another --log-dir",
    "num_workers": "there is one for each GPU or core of the job; give --num-evals-per-node for another number",
    "ray_address": "the script starts the job's own cluster; leave it out",
    "ray_password": "the script starts the job's own cluster; leave it out",
}
"""Options of ``deephyper hps`` that job scripts give themselves, and what to do instead."""

IN_THE_SCRIPT = ("margin", "num_evals_per_node", "num_cpus_per_task", "num_gpus_per_task", "scratch")
"""Options that the job script gives to ``deephyper hps``, adapted to the nodes of the site."""


def submitted_settings(arguments: argparse.Namespace) -> SearchSettings:
    """Return the settings of the search in the job, without those that the job script gives.

    Raises:
        UserError: ``deephyper hps`` would refuse the settings in the job.
    """
    from dh_project.evaluators import check_spread
    from dh_project.hps.session import evaluator_settings, import_from_working_directory
    from dh_project.hps.stoppers import create_stopper

    given = dict(vars(arguments))
    for name, why in NOT_HERE.items():
        if given.get(name):
            raise UserError(f"--{name.replace('_', '-')}: {why}")
    if arguments.snapshot_limit is not None and not arguments.snapshot:
        raise UserError("--snapshot-limit: it needs --snapshot; give --snapshot, too, or leave the limit out")
    if given["searcher"] == "random" and (model := [name for name in SEARCHER_OPTIONS if name in given]):
        raise UserError(
            f"{option_of(model[0])}: random search has no model; leave the option out, or give --searcher ambs"
        )
    settings = settings_of(
        argparse.Namespace(**{name: value for name, value in given.items() if name not in IN_THE_SCRIPT})
    )
    check_spread(settings.evaluator, evaluator_settings(settings))
    import_from_working_directory()
    if settings.stopper:
        create_stopper(settings.stopper, settings.stopper_settings)
    return settings


def script_shape(arguments: argparse.Namespace, settings: SearchSettings) -> TrialShape:
    """Return the shape of a trial for the job script. Without a number of cores, each process has an even share."""
    asked, standard = settings.trial, TrialShape()
    cores = arguments.num_cpus_per_task or (None if asked.cores == standard.cores else asked.cores)
    gpus = asked.gpus if arguments.num_gpus_per_task is None else arguments.num_gpus_per_task
    return replace(asked, cores=cores, gpus=gpus)


def check_margin(minutes: int, margin: int) -> None:
    """Check that a job is longer than its margin.

    Args:
        minutes: Time limit of the job.
        margin: Seconds before the end of the job at which trials are interrupted.

    Raises:
        UserError: The job is not longer.
    """
    if 60 * minutes <= margin:
        raise UserError(
            f"--minutes {minutes}: the margin of {margin} s leaves no time; give more minutes, or a shorter --margin"
        )


def scratch_folder(arguments: argparse.Namespace) -> str:
    """Return the scratch folder for the job script. The job replaces variables in the path.

    Raises:
        UserError: The folder lies in the folder of the search, or contains it.
    """
    from dh_project.trial.scratch import checked_place

    if "$" in str(arguments.scratch):
        return str(arguments.scratch)
    return str(checked_place(arguments.scratch, arguments.log_dir))


def settings_in_the_job(settings: SearchSettings, directory: Path) -> SearchSettings:
    """Return settings with paths that are valid in the job, after checking that the search can run.

    Args:
        settings: The settings on this machine.
        directory: Working directory of the job.

    Raises:
        UserError: The problem or the run function cannot be loaded, the folder has another search, or the search is
            complete.
    """
    from dh_project.hps.earlier import earlier_sessions
    from dh_project.hps.session import load_search, read_sources, what_is_done
    from dh_project.results.history import check_same_search
    from dh_project.results.paths import SearchPaths

    paths = SearchPaths(settings.folder)
    history = earlier_sessions(paths).history
    loaded = load_search(settings, history)
    problem, run = _there(loaded.identity.problem or "", directory), _there(loaded.identity.run, directory)
    check_same_search(paths, history, replace(loaded.identity, problem=problem, run=run))
    read_sources(settings, history, loaded.problem)
    done = what_is_done(settings, history)
    if done is not None:
        raise UserError(f"{settings.folder}: {done}")
    return replace(
        settings,
        problem=problem,
        run=run,
        folder=settings.folder.absolute(),
        warm_start=tuple(path.absolute() for path in settings.warm_start),
    )


def _there(target: str, directory: Path) -> str:
    """Return the path of a file in the job's copy of this folder; other targets are unchanged."""
    here = Path.cwd().resolve()
    is_copied = directory != Path.cwd() and Path(target).is_absolute() and Path(target).is_relative_to(here)
    return str(directory.resolve() / Path(target).relative_to(here)) if is_copied else target


@dataclass(frozen=True)
class Code:
    """The code that a job runs.

    Attributes:
        directory: Working directory of the job.
        is_copy: Whether the directory is a copy of this folder.
        snapshot: Plan of the copy; None if there is no copy, or an earlier submission has made it.
    """

    directory: Path
    is_copy: bool = False
    snapshot: Snapshot | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines of the job script, so that the copy is imported and not an installed version."""
        path = f'{shlex.quote(str(self.directory))}"${{PYTHONPATH:+:$PYTHONPATH}}"'
        return (f"export PYTHONPATH={path}",) if self.is_copy else ()

    def in_words(self) -> str:
        """Return a text that says which code the job runs."""
        if not self.is_copy:
            return (
                f"no copy: jobs run in {self.directory}, with its content at their start "
                "(--snapshot makes a copy)"
            )
        if self.snapshot is None:
            return f"{self.directory}, the copy of an earlier submission; remove it for a new copy"
        file = self.snapshot.ignore_file
        ignored = f"without the files in {file.name}" if file else "no ignore file"
        if self.snapshot.searches:
            names = [str(path.relative_to(self.snapshot.source)) for path in self.snapshot.searches]
            ignored += f", without earlier searches ({', '.join(names)})"
        return (
            f"{self.directory}, a copy of {self.snapshot.source}: {len(self.snapshot.files)} files, "
            f"{self.snapshot.bytes / 2**20:.1f} MiB, {ignored}"
        )

    def copy(self) -> None:
        """Make the copy, if there is to be one.

        Raises:
            OSError: A file cannot be read or written.
        """
        if self.snapshot is not None:
            from dh_project.hpc.batch_jobs.snapshot import take_snapshot

            take_snapshot(self.snapshot, self.directory)


def plan_code(arguments: argparse.Namespace, target: Path) -> Code:
    """Return the code that a job runs: this folder, or a copy in ``target``. The copy is not made yet.

    Raises:
        UserError: The folder cannot be copied.
    """
    if not arguments.snapshot:
        return Code(Path.cwd())
    if target.exists():
        return Code(target, is_copy=True)
    from dh_project.hpc.batch_jobs.snapshot import LIMIT_MIB, MIB, plan_snapshot

    limit = arguments.snapshot_limit or LIMIT_MIB
    return Code(target, is_copy=True, snapshot=plan_snapshot(Path.cwd(), arguments.log_dir, limit * MIB))
