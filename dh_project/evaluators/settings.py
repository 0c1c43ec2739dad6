"""What an evaluator is told about the trials' shape and the machines that it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from dh_project.common.cores import available_cores
from dh_project.common.errors import UserError, one_line, unknown
from dh_project.trial.shape import TrialShape

OWNERS = {
    "ray_address": "ray",
    "ray_password": "ray",
    "rank_timeout": "mpi",
    "gpu_order": "mpi",
    "gpus_by_launcher": "mpi",
    "workflow": "balsam",
    "trials_per_node": "balsam",
    "trials_ahead": "balsam",
}
"""The evaluator that a setting belongs to."""


MOST_WORKERS, MOST_PER_CORE = 256, 32
"""Most workers on one machine: the larger one of a number, and of a number for each core."""

BUILT_IN = {"process", *OWNERS.values()}


@dataclass(frozen=True)
class EvaluatorSettings:
    """Settings of an evaluator.

    Attributes:
        shape: What one trial takes.
        num_workers: Trials that run at a time. None means as many as the machines hold.
        folder: Folder of the search.
        ray_address: ``ray``: address of a cluster. Empty to start one on this machine.
        ray_password: ``ray``: password of the cluster, if it has one.
        rank_timeout: ``mpi``: seconds without a message after which a rank is given up.
        gpu_order: ``mpi``: index of the GPU that the first, second, ... rank of a node gets. Empty for 0, 1, ...
        gpus_by_launcher: ``mpi``: whether the launcher has given each rank its own GPUs, so that they must not be
            divided again. Each rank may then call its GPU number 0.
        workflow: ``balsam``: name of the search among the jobs of a site. Empty for the name of ``folder``.
        trials_per_node: ``balsam``: most trials on one node at a time. None means as many as it holds.
        trials_ahead: ``balsam``: trials that wait in the queue while all nodes are busy. None means one for every
            16 that run.

    Example:
        >>> from dh_project.evaluators.settings import EvaluatorSettings
        >>> from dh_project.trial.shape import TrialShape
        >>> EvaluatorSettings(TrialShape(cores=4), num_workers=2).shape.cores
        4
    """

    shape: TrialShape = field(default_factory=TrialShape)
    num_workers: int | None = None
    folder: Path = Path()
    ray_address: str = ""
    ray_password: str | None = None
    rank_timeout: float = 60.0
    gpu_order: tuple[int, ...] = ()
    gpus_by_launcher: bool = False
    workflow: str = ""
    trials_per_node: int | None = None
    trials_ahead: int | None = None

    @property
    def num_processes(self) -> int | None:
        """Processes of all trials that run at a time, each in a worker; None means as many as the machines hold."""
        return None if self.num_workers is None else self.num_workers * self.shape.processes


def check_workers_here(settings: EvaluatorSettings) -> None:
    """Check the number of workers on this machine, before they take all of its processes and memory.

    Raises:
        UserError: If it is larger than 256 and than 32 for each core.
    """
    cores = available_cores()
    most = max(MOST_WORKERS, MOST_PER_CORE * cores)
    if (settings.num_processes or 0) > most:
        raise UserError(
            f"--num-workers {settings.num_workers}: this machine has {cores} cores and holds at most {most} trials "
            "at a time; lower it, or search on several nodes"
        )


def check_names(evaluator: str, settings: Mapping[str, Any]) -> None:
    """Check that settings are those of an evaluator, and have their types.

    Args:
        evaluator: Its name.
        settings: Fields of :class:`EvaluatorSettings` that belong to one evaluator.

    Raises:
        UserError: If one is unknown, belongs to another evaluator, or has a value of another type or below its limit.

    Example:
        >>> check_names("process", {"ray_address": "auto"})
        Traceback (most recent call last):
        ...
        dh_project.common.errors.UserError: ray_address: it belongs to the evaluator ray, and this is process; ...
    """
    for name in settings:
        if name not in OWNERS:
            raise unknown("setting of an evaluator", name, OWNERS)
        if OWNERS[name] != evaluator and evaluator in BUILT_IN:
            raise UserError(
                f"{name}: it belongs to the evaluator {OWNERS[name]}, and this is {evaluator}; leave it out"
            )
        _check_type(name, settings[name])
    if "rank_timeout" in settings:
        from dh_project.evaluators.mpi_world import ALIVE_SECONDS

        if settings["rank_timeout"] < 2 * ALIVE_SECONDS:
            raise UserError(
                f"rank_timeout={settings['rank_timeout']:g}: ranks send a message every {ALIVE_SECONDS:g} s; give at "
                f"least {2 * ALIVE_SECONDS:g}"
            )


def _check_type(name: str, value: Any) -> None:
    from pydantic import TypeAdapter, ValidationError

    try:  # TOML and JSON have lists for tuples
        TypeAdapter(get_type_hints(EvaluatorSettings)[name]).validate_python(
            value, strict=not isinstance(value, list)
        )
    except ValidationError as error:
        raise UserError(f"{name}={value!r}: {one_line(error.errors()[0]['msg'])}") from None
