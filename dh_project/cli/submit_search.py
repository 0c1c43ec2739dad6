"""The search that ``deephyper submit`` hands on: its checks, its command line in the job, and the code it runs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dh_project.cli import hps, hps_settings
from dh_project.cli import hps_options as options
from dh_project.cli import hps_resources as places
from dh_project.cli.parser import Parser
from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.hpc.batch_jobs.snapshot import Snapshot

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
    "num_gpus_per_task",
    "scratch",
)
"""Those that are handed on in another way than the rest."""


def check_options(arguments: argparse.Namespace, margin: int) -> None:
    """Check what ``deephyper hps`` would refuse in the job, but for what needs the job.

    Args:
        arguments: As they were parsed.
        margin: Seconds before the job's end at which its trials are interrupted.

    Raises:
        UserError: It would.
    """
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
    check_spread(arguments.evaluator, places.evaluator_settings(_with(arguments, num_cpus_per_task=1)))
    if 60 * arguments.minutes <= margin:
        raise UserError(
            f"--minutes {arguments.minutes}: the margin of {margin} s leaves no time; give more minutes, or a "
            "shorter --margin"
        )
    hps_settings.check_settings(_with(arguments, margin=None))


def scratch_folder(arguments: argparse.Namespace) -> str:
    """Return the scratch that is given, as a script has it: what holds a variable is filled in by the job alone.

    Raises:
        UserError: It is a part of the search.
    """
    from dh_project.trial.scratch import checked_place

    if "$" in str(arguments.scratch):
        return str(arguments.scratch)
    return str(checked_place(arguments.scratch, arguments.log_dir))


def _with(arguments: argparse.Namespace, **values: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), **values})


def check_search(arguments: argparse.Namespace, directory: Path) -> None:
    """Check that problem and run function load, and that the folder is free or has this search, with work left.

    Args:
        arguments: As they were parsed.
        directory: Where the job runs.

    Raises:
        UserError: They do not, or it is not.
    """
    from dh_project.results.history import check_same_search
    from dh_project.results.paths import SearchPaths

    paths = SearchPaths(arguments.log_dir)
    history = hps.earlier_sessions(paths, fresh=False)
    problem, identity = hps.load_search(arguments, history)
    identity = replace(
        identity, problem=_target(arguments.problem, directory), run=_target(arguments.run, directory)
    )
    check_same_search(paths, history, identity)
    hps.read_sources(arguments, paths, history, problem)
    done = hps.what_is_done(history, hps_settings.limits(_with(arguments, margin=None)))
    if done is not None:
        raise UserError(
            f"{arguments.log_dir}: {done}; there is nothing to submit, or give a larger --max-evals"
        )


def _target(target: str, directory: Path) -> str:
    """Return where a problem or a run function is for the job; a file of this folder is also in the copy of it."""
    from dh_project.user_code.loading import absolute_target

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
            given += [_as_words(option, words) for words in value]
        elif isinstance(value, list):
            given.append(
                _as_words(option, [word.absolute() if isinstance(word, Path) else word for word in value])
            )
        else:
            given.append(_as_words(option, [value]))
    return given


def _as_words(option: str, values: Sequence[object]) -> list[str]:
    """Return an option and its values; a first one that begins with a dash would pass for an option by itself."""
    first, *others = map(str, values)
    return [f"{option}={first}", *others] if first.startswith("-") else [option, first, *others]


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
