"""Launch of a trial's job: the default one, or the one in a run function's ``balsamjob_spec``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.models import JobResources
from dh_project.hpc.balsam.install.programs import program
from dh_project.trial.attempt import Assignment, RunContext


@dataclass(frozen=True)
class BalsamJobSpec:
    """The launch that a run function asks for, as its attribute ``balsamjob_spec``. The names are Balsam's.

    Example:
        A data-parallel trial: Balsam's launcher starts two ranks, and each calls ``run(point)``::

            run.balsamjob_spec = BalsamJobSpec(ranks_per_node=2)

    Attributes:
        command: Shell text that contains the worker's command as ``{worker}`` and may contain the quoted image as
            ``{image}``. In a container: ``apptainer exec --nv {image} {worker}``. With torch's launcher:
            ``torchrun --standalone --nproc-per-node 2 --no-python {worker}``.
        image: Container image. None means the site's.
        python: Interpreter of the worker. None means ``python3`` if there is an image, else this environment's.
        num_nodes: Nodes of one trial.
        ranks_per_node: Processes of the trial that Balsam's launcher starts on each of its nodes.
        threads_per_rank: Cores of each process. None means an even share of the node.
        gpus_per_rank: GPUs of each process. None means one if there are GPUs.
        processes: Number of worker processes that ``command`` itself starts.
        environment: Environment variables of the job.
    """

    command: str = "exec {worker}"
    image: str | None = None
    python: str | None = None
    num_nodes: int = 1
    ranks_per_node: int = 1
    threads_per_rank: int | None = None
    gpus_per_rank: float | None = None
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


def job_spec_of(run: Callable[..., Any], image: str | None = None) -> BalsamJobSpec:
    """Return the launch that a run function asks for, with the site's image if it names none.

    Raises:
        UserError: If its ``balsamjob_spec`` is of another type, or has an invalid command.
    """
    spec = getattr(run, "balsamjob_spec", None)
    if spec is None:
        spec = BalsamJobSpec(command="apptainer exec --nv {image} {worker}" if image else "exec {worker}")
    if not isinstance(spec, BalsamJobSpec):
        raise UserError(
            f"balsamjob_spec of {getattr(run, '__name__', run)}: a {type(spec).__name__}; give a BalsamJobSpec of "
            f"dh_project.hpc.balsam.jobs.job_spec"
        )
    try:
        text = spec.command.format(worker="", image="")
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(
            f"balsamjob_spec: command {spec.command!r}: {error}; it may name {{worker}} and {{image}}"
        ) from None
    if "{worker}" not in spec.command:
        raise UserError(f"balsamjob_spec: command {text!r}: nothing runs the trial; put {{worker}} into it")
    if "{image}" in spec.command and not (spec.image or image):
        raise UserError(
            "balsamjob_spec: its command names {image}, and no image is given here or in the site's settings"
        )
    return spec if spec.image or not image else BalsamJobSpec(**{**vars(spec), "image": image})


def trial_command(
    spec: BalsamJobSpec, context: RunContext, assignment: Assignment, resources: JobResources, trials: int = 1
) -> str:
    """Return the shell text of a trial's job.

    Args:
        spec: The launch.
        context: What all trials share.
        assignment: The attempt.
        resources: Resources of its job.
        trials: Number of trials that run at the same time.
    """
    payload = {
        "context": asdict(context),
        "assignment": asdict(assignment),
        "threads": resources.threads_per_rank,
        "processes": resources.num_nodes * resources.ranks_per_node * spec.processes,
        "trials": trials,
        "environment": dict(spec.environment),
    }
    python = spec.python or ("python3" if spec.image else None)
    worker = shlex.join([*program("dh_project.hpc.balsam.jobs.trial_job", python), json.dumps(payload)])
    return spec.command.format(worker=worker, image=shlex.quote(spec.image or ""))
