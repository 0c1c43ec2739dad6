"""What the options of ``deephyper hps`` say of the places where trials run."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from dh_project.common.errors import UserError

if TYPE_CHECKING:
    from dh_project.evaluators.settings import EvaluatorSettings
    from dh_project.hpc.sites.facts import Gpu
    from dh_project.trial.shape import TrialShape

SITE_VARIABLE = "DH_PROJECT_SITE"
"""Set by a site's job scripts to its name."""

ELSEWHERE = {
    "balsam": (
        "workflow",
        "num_evals_per_node",
        "num_ranks_per_node",
        "num_threads_per_rank",
        "num_evals_ahead",
    ),
    "mpi": ("rank_timeout",),
}
"""Options that mean something with one evaluator alone."""


def check_places(arguments: argparse.Namespace, evaluator: str) -> None:
    """Check that what is said of one evaluator's trials is said where they are.

    Raises:
        UserError: It is not.
    """
    for other, names in ELSEWHERE.items():
        for name in names if evaluator != other else ():
            if getattr(arguments, name) is not None:
                option = name.replace("_", "-")
                raise UserError(
                    f"--{option}: it belongs to --evaluator {other}, and this is {evaluator}; leave it out"
                )
    if evaluator == "mpi" and arguments.rank_timeout is not None:
        from dh_project.evaluators.mpi_world import ALIVE_SECONDS

        if arguments.rank_timeout < 2 * ALIVE_SECONDS:
            raise UserError(
                f"--rank-timeout {arguments.rank_timeout:g}: ranks speak every {ALIVE_SECONDS:g} s; give at least "
                f"{2 * ALIVE_SECONDS:g}"
            )
    if evaluator == "balsam" and arguments.ranks_per_trial is not None:
        raise UserError("--ranks-per-trial: jobs of Balsam are told --num-ranks-per-node; give that")


def scratch(arguments: argparse.Namespace, evaluator: str) -> str:
    """Return where the nodes' scratch is, empty for none; only where trials run elsewhere it is not looked at.

    Raises:
        UserError: It cannot be used.
    """
    if arguments.scratch is None:
        return ""
    from dh_project.trial.scratch import checked_place, checked_scratch

    check = checked_place if evaluator == "balsam" else checked_scratch
    return str(check(arguments.scratch, arguments.log_dir))


def evaluator_settings(arguments: argparse.Namespace) -> EvaluatorSettings:
    """Return the shape of a trial and what the evaluator is told about the machines."""
    from dh_project.evaluators import evaluator_name
    from dh_project.evaluators.settings import EvaluatorSettings

    evaluator = evaluator_name(arguments.evaluator)
    gpu = _gpus_of_site() if evaluator == "mpi" else None
    return EvaluatorSettings(
        shape=trial_shape(arguments, evaluator),
        num_workers=arguments.num_workers,
        folder=arguments.log_dir,
        ray_address=arguments.ray_address,
        ray_password=arguments.ray_password,
        rank_timeout=arguments.rank_timeout or EvaluatorSettings.rank_timeout,
        gpu_order=tuple(gpu.order) if gpu else (),
        gpus_by_launcher="SLURM_GPUS_PER_TASK" in os.environ
        or (gpu is not None and gpu.variable == "launcher"),
        workflow=arguments.workflow or "",
        trials_per_node=arguments.num_evals_per_node,
        trials_ahead=arguments.num_evals_ahead,
    )


def trial_shape(arguments: argparse.Namespace, evaluator: str) -> TrialShape:
    """Return what one trial takes; Balsam's options count the processes of a trial on each of its nodes."""
    from dh_project.trial.shape import TrialShape

    nodes = arguments.num_nodes_per_eval or 1
    if evaluator == "balsam":
        processes, cores = nodes * (arguments.num_ranks_per_node or 1), arguments.num_threads_per_rank
    else:
        processes, cores = arguments.ranks_per_trial or 1, arguments.num_cpus_per_task
    return TrialShape(processes, nodes, cores, arguments.num_gpus_per_task)


def _gpus_of_site() -> Gpu | None:
    """Return the GPUs of a node at the site in whose job this is; None where none is named, or it has none.

    Raises:
        UserError: There is no such site.
    """
    if not (name := os.environ.get(SITE_VARIABLE)):
        return None
    from dh_project.hpc.sites.site import load_site

    return load_site(name).gpu
