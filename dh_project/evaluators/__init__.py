"""Evaluators carry trials to workers and bring the workers' events back.

An evaluator is found by its entry point in the group ``dh_project.evaluators``, also one of another package::

    # pyproject.toml of the package
    [project.entry-points."dh_project.evaluators"]
    my_cluster = "my_package.my_cluster:MyClusterEvaluator"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from dh_project.common.errors import UserError, unknown
from dh_project.evaluators.base import Evaluator
from dh_project.evaluators.rank_groups import RankGroups
from dh_project.evaluators.settings import EvaluatorSettings
from dh_project.trial.attempt import RunContext
from dh_project.trial.ranks import check_meeting_folder

GROUP = "dh_project.evaluators"
"""Group of the entry points, each of which names a subclass of :class:`Evaluator`."""

ALIASES = {
    "subprocess": "process",
    "processPool": "process",
    "threadPool": "process",
    "thread": "process",
    "mpicomm": "mpi",
}
"""Names that DeepHyper uses, or used, and the evaluators that do the same here."""

GONE = {"rayhorovod": "a trial of several processes is --evaluator ray --ranks-per-trial N"}


def evaluator_names() -> list[str]:
    """Return the names of all installed evaluators.

    Raises:
        UserError: If this package was installed before it declared them.
    """
    return sorted(_installed())


def evaluator_name(name: str) -> str:
    """Return the evaluator that a name or an old name means.

    Raises:
        UserError: If there is no such evaluator.

    Example:
        >>> from dh_project.evaluators import evaluator_name
        >>> evaluator_name("subprocess")
        'process'
    """
    name = ALIASES.get(name, name)
    if name in GONE:
        raise UserError(f"the evaluator {name!r} is gone: {GONE[name]}")
    if name not in _installed():
        raise unknown("evaluator", name, evaluator_names())
    return name


def evaluator_class(name: str) -> type[Evaluator]:
    """Import an evaluator's class.

    Raises:
        UserError: If there is no such evaluator, or its entry point leads to something else.
    """
    entry = _installed()[evaluator_name(name)]
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        raise UserError(f"evaluator {entry.name!r}: {entry.value} cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Evaluator)):
        raise UserError(f"evaluator {entry.name!r}: {entry.value} is no subclass of dh_project's Evaluator")
    return found


def create_evaluator(name: str, context: RunContext, settings: EvaluatorSettings) -> Evaluator:
    """Start an evaluator.

    Args:
        name: Its name.
        context: What all trials share.
        settings: The shape of a trial, and the machines.

    Raises:
        UserError: If its name is unknown, or its workers cannot be had.
    """
    kind, processes = evaluator_class(name), settings.shape.processes
    check_spread(name, settings)
    if processes == 1 or kind.starts_all_processes:
        return kind.create(context, settings)
    evaluator = kind.create(context, settings)
    if evaluator.num_workers < processes:
        evaluator.close()
        raise UserError(
            f"--ranks-per-trial {processes}: there is room for {evaluator.num_workers} processes; lower it, or what "
            "each of them takes"
        )
    return RankGroups(evaluator, processes)


def check_spread(name: str, settings: EvaluatorSettings) -> None:
    """Check that an evaluator can place the processes of a trial, and that these can meet.

    Raises:
        UserError: If it cannot spread them over so many nodes, or if the folder's name cannot be their meeting place.
    """
    kind, shape = evaluator_class(name), settings.shape
    if shape.processes > 1:
        check_meeting_folder(settings.folder.absolute())
    if shape.nodes > 1 and not kind.spreads_trials:
        raise UserError(
            f"--nodes-per-trial {shape.nodes}: {name} does not spread a trial; use --evaluator mpi or balsam"
        )
    if shape.processes % shape.nodes:
        raise UserError(
            f"--ranks-per-trial {shape.processes}: give a multiple of --nodes-per-trial {shape.nodes}"
        )


@cache
def _installed() -> dict[str, EntryPoint]:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if not found:
        raise UserError(
            "no evaluator is installed: this copy of dh_project declares them, but was installed before it did; "
            "install it again (pip install -e . in its folder)"
        )
    return found
