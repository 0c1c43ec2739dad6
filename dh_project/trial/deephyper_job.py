"""What a run function is called with: the point, or, where it is written for today's DeepHyper, a job."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dh_project.trial.reporting import report


class DeepHyperJob(dict[str, Any]):
    """The point as the job of today's DeepHyper, for run functions that take one: ``run(job)``.

    Args:
        point: The hyperparameters.
        trial: The trial's id.

    Attributes:
        parameters: The point.
        id: ``<search>.<trial>``.
    """

    def __init__(self, point: Mapping[str, Any], trial: int) -> None:
        super().__init__(point)
        self.parameters = dict(point)
        self.id = f"0.{trial}"
        self._going_on = True

    def record(self, budget: float, objective: float) -> None:
        """Report an intermediate objective."""
        self._going_on = report(int(budget), objective)

    def stopped(self) -> bool:
        """Say whether the last record was answered with a stop."""
        return not self._going_on

    def __missing__(self, name: str) -> Any:
        if name == "job_id":
            return self.id
        raise KeyError(name)


def argument_for(run: Callable[..., Any], point: Mapping[str, Any], trial: int = 0) -> dict[str, Any]:
    """Return what a run function takes: a job by ``run(job)`` and ``run(x: RunningJob)``, else the point."""
    try:
        first = next(iter(inspect.signature(run).parameters.values()), None)
    except (TypeError, ValueError):  # some builtins have no signature
        first = None
    takes_a_job = first is not None and (first.name == "job" or "RunningJob" in str(first.annotation))
    return DeepHyperJob(point, trial) if takes_a_job else dict(point)
