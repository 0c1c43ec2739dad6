"""Evaluators: they carry trials to workers somewhere, and the workers' events back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dh_project.common.errors import UserError, unknown
from dh_project.evaluators.base import Evaluator, Resources
from dh_project.evaluators.rank_groups import RankGroups
from dh_project.trial.attempt import RunContext
from dh_project.trial.ranks import check_meeting_folder

if TYPE_CHECKING:
    from dh_project.evaluators.mpi_world import World

EVALUATORS = ("process", "ray", "mpi", "balsam")
ALIASES = {
    "subprocess": "process",
    "processPool": "process",
    "threadPool": "process",
    "thread": "process",
    "mpicomm": "mpi",
}
"""DeepHyper's names, old and new, and what does their work."""

GONE = {"rayhorovod": "a trial of several processes is --evaluator ray --ranks-per-trial N"}


def evaluator_name(name: str) -> str:
    """Return the evaluator that a name or an old name means.

    Raises:
        UserError: It means none.
    """
    name = ALIASES.get(name, name)
    if name in GONE:
        raise UserError(f"the evaluator {name!r} is gone: {GONE[name]}")
    if name not in EVALUATORS:
        raise unknown("evaluator", name, EVALUATORS)
    return name


def create_evaluator(
    name: str, context: RunContext, resources: Resources, world: World | None = None
) -> Evaluator:
    """Start an evaluator.

    Args:
        name: Its name.
        context: What all trials share.
        resources: What they may use.
        world: The ranks of ``mpi``.

    Raises:
        UserError: Its name is unknown, or its workers cannot be had.
    """
    name = evaluator_name(name)
    if name == "balsam":
        from dh_project.hpc.balsam.evaluator import BalsamEvaluator
        from dh_project.hpc.balsam.jobs.place import find_place

        return BalsamEvaluator(context, find_place(context.run, resources))
    check_spread(name, resources)
    ranks = resources.ranks_per_trial
    evaluator = _of_single_processes(name, context, resources, world)
    if ranks == 1:
        return evaluator
    if evaluator.num_workers < ranks:
        evaluator.close()
        raise UserError(
            f"--ranks-per-trial {ranks}: there is room for {evaluator.num_workers} processes; lower it, or what "
            "each of them takes"
        )
    return RankGroups(evaluator, ranks)


def check_spread(name: str, resources: Resources) -> None:
    """Check that an evaluator can spread the processes of a trial over so many nodes, and that they can meet.

    Raises:
        UserError: It cannot, or they cannot.
    """
    nodes, ranks = resources.nodes_per_trial, resources.ranks_per_trial
    if ranks > 1:
        check_meeting_folder(resources.folder.absolute())
    if nodes > 1 and name not in ("mpi", "balsam"):
        raise UserError(
            f"--nodes-per-trial {nodes}: {name} does not spread a trial; use --evaluator mpi or balsam"
        )
    if name == "mpi" and ranks % nodes:
        raise UserError(f"--ranks-per-trial {ranks}: give a multiple of --nodes-per-trial {nodes}")


def _of_single_processes(name: str, context: RunContext, resources: Resources, world: World | None) -> Evaluator:
    """Start an evaluator each of whose workers carries one process of a trial."""
    if name == "mpi":
        from dh_project.evaluators.mpi import MPIEvaluator

        assert world is not None
        return MPIEvaluator(world, context, resources)
    if resources.num_workers:
        resources = replace(resources, num_workers=resources.num_workers * resources.ranks_per_trial)
    if name == "ray":
        from dh_project.evaluators.ray import RayEvaluator

        return RayEvaluator(context, resources)
    from dh_project.evaluators.process import ProcessEvaluator

    return ProcessEvaluator(context, resources)
