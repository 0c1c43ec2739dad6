"""The search that ``deephyper submit`` hands on: its checks, its settings for the job, and the code it runs."""

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
    from dh_project.search.settings import SearchSettings

SETTINGS = "search.toml"
"""The settings of the search, in its folder."""

NOT_HERE = {
    "walltime": "it is the job's, and the script hands it on; leave it out",
    "fresh": "each job would begin anew; name another --log-dir",
    "num_workers": "there is one for each GPU or core of the job; --num-evals-per-node says how many on a node",
    "ray_address": "the script starts the job's own cluster; leave it out",
    "ray_password": "the script starts the job's own cluster; leave it out",
}
"""Options of ``deephyper hps`` that a job's script settles."""

IN_THE_SCRIPT = ("margin", "num_evals_per_node", "num_cpus_per_task", "num_gpus_per_task", "scratch")
"""Options that the script gives to ``deephyper hps``, as the nodes of the site need them."""


def submitted_settings(arguments: argparse.Namespace) -> SearchSettings:
    """Return the settings of the search in the job, without those that the script gives.

    Raises:
        UserError: ``deephyper hps`` would refuse them in the job.
    """
    from dh_project.evaluators import check_spread
    from dh_project.search.session import evaluator_settings
    from dh_project.search.stoppers import create_stopper

    given = dict(vars(arguments))
    for name, why in NOT_HERE.items():
        if given.get(name):
            raise UserError(f"--{name.replace('_', '-')}: {why}")
    if arguments.snapshot_limit is not None and not arguments.snapshot:
        raise UserError(
            "--snapshot-limit: nothing is copied without --snapshot; give that too, or leave it out"
        )
    if given["searcher"] == "random" and (model := [name for name in SEARCHER_OPTIONS if name in given]):
        raise UserError(
            f"{option_of(model[0])}: random search has no model; leave it out, or search with --searcher ambs"
        )
    settings = settings_of(
        argparse.Namespace(**{name: value for name, value in given.items() if name not in IN_THE_SCRIPT})
    )
    check_spread(settings.evaluator, evaluator_settings(settings))
    if settings.stopper:
        create_stopper(settings.stopper, settings.stopper_settings)
    return settings


def script_shape(arguments: argparse.Namespace, settings: SearchSettings) -> TrialShape:
    """Return the shape of a trial for the script. Without a number of cores, each process has an even share."""
    asked, standard = settings.trial, TrialShape()
    cores = arguments.num_cpus_per_task or (None if asked.cores == standard.cores else asked.cores)
    gpus = asked.gpus if arguments.num_gpus_per_task is None else arguments.num_gpus_per_task
    return replace(asked, cores=cores, gpus=gpus)


def check_margin(minutes: int, margin: int) -> None:
    """Check that a job has time beside its margin.

    Args:
        minutes: Of the job.
        margin: Seconds before its end at which its trials are interrupted.

    Raises:
        UserError: It has none.
    """
    if 60 * minutes <= margin:
        raise UserError(
            f"--minutes {minutes}: the margin of {margin} s leaves no time; give more minutes, or a shorter --margin"
        )


def scratch_folder(arguments: argparse.Namespace) -> str:
    """Return the given scratch as a script has it. A path with a variable is filled in by the job.

    Raises:
        UserError: It is a part of the search.
    """
    from dh_project.trial.scratch import checked_place

    if "$" in str(arguments.scratch):
        return str(arguments.scratch)
    return str(checked_place(arguments.scratch, arguments.log_dir))


def settings_in_the_job(settings: SearchSettings, directory: Path) -> SearchSettings:
    """Return settings whose paths mean the same in the job, after a look at whether work is left.

    Args:
        settings: As they were given here.
        directory: Where the job runs.

    Raises:
        UserError: Problem or run function do not load, the folder has another search, or all of it is done.
    """
    from dh_project.results.history import check_same_search
    from dh_project.results.paths import SearchPaths
    from dh_project.search.session import earlier_sessions, load_search, read_sources, what_is_done

    paths = SearchPaths(settings.folder)
    history = earlier_sessions(paths)
    loaded = load_search(settings, history)
    problem, run = _there(loaded.identity.problem or "", directory), _there(loaded.identity.run, directory)
    check_same_search(paths, history, replace(loaded.identity, problem=problem, run=run))
    read_sources(settings, history, loaded.problem)
    done = what_is_done(settings, history)
    if done is not None:
        raise UserError(
            f"{settings.folder}: {done}; there is nothing to submit, or give a larger --max-evals"
        )
    return replace(
        settings,
        problem=problem,
        run=run,
        folder=settings.folder.absolute(),
        warm_start=tuple(path.absolute() for path in settings.warm_start),
    )


def _there(target: str, directory: Path) -> str:
    """Return where the job finds a file of this folder, of which it may have a copy; other targets are unchanged."""
    here = Path.cwd().resolve()
    is_copied = directory != Path.cwd() and Path(target).is_absolute() and Path(target).is_relative_to(here)
    return str(directory.resolve() / Path(target).relative_to(here)) if is_copied else target


@dataclass(frozen=True)
class Code:
    """The code that a job runs.

    Attributes:
        directory: Where.
        is_copy: Whether that is a copy of the folder of the command.
        snapshot: What is to be copied; None where nothing is, or was copied by an earlier submission.
    """

    directory: Path
    is_copy: bool = False
    snapshot: Snapshot | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What a script says for the copy, and not an installed version of it, to be what runs."""
        path = f'{shlex.quote(str(self.directory))}"${{PYTHONPATH:+:$PYTHONPATH}}"'
        return (f"export PYTHONPATH={path}",) if self.is_copy else ()

    def in_words(self) -> str:
        """Return what is shipped to the job."""
        if not self.is_copy:
            return (
                f"nothing is copied: jobs run in {self.directory}, and find it as it is when they start "
                "(--snapshot copies it)"
            )
        if self.snapshot is None:
            return f"{self.directory}, as an earlier submission copied it; remove it to copy anew"
        file = self.snapshot.ignore_file
        return (
            f"{self.directory}, a copy of {self.snapshot.source}: {len(self.snapshot.files)} files, "
            f"{self.snapshot.bytes / 2**20:.1f} MiB, {f'{file.name} honoured' if file else 'no ignore file'}"
        )

    def copy(self) -> None:
        """Copy what is to be copied.

        Raises:
            OSError: A file cannot be read or written.
        """
        if self.snapshot is not None:
            from dh_project.hpc.batch_jobs.snapshot import take_snapshot

            take_snapshot(self.snapshot, self.directory)


def plan_code(arguments: argparse.Namespace, target: Path) -> Code:
    """Return the code that a job runs: this folder, or a copy of it in ``target``, which is not made yet.

    Raises:
        UserError: It cannot be copied.
    """
    if not arguments.snapshot:
        return Code(Path.cwd())
    if target.exists():
        return Code(target, is_copy=True)
    from dh_project.hpc.batch_jobs.snapshot import LIMIT_MIB, MIB, plan_snapshot

    limit = arguments.snapshot_limit or LIMIT_MIB
    return Code(target, is_copy=True, snapshot=plan_snapshot(Path.cwd(), arguments.log_dir, limit * MIB))
