"""The argument of a run function: the point, or a job if the function is written for a current DeepHyper."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dh_project.trial.reporting import report


class DeepHyperJob(dict[str, Any]):
    """A point with the attributes of DeepHyper's ``RunningJob``, for run functions that take one: ``run(job)``.

    Example:
        >>> from dh_project.trial.deephyper_job import DeepHyperJob
        >>> job = DeepHyperJob({"lr": 0.1}, trial=3)
        >>> job["lr"], job.parameters, job.id
        (0.1, {'lr': 0.1}, '0.3')

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
        """Return whether the last report was answered with a stop."""
        return not self._going_on

    def __missing__(self, name: str) -> Any:
        if name == "job_id":
            return self.id
        raise KeyError(name)


def argument_for(run: Callable[..., Any], point: Mapping[str, Any], trial: int = 0) -> dict[str, Any]:
    """Return a job for ``run(job)`` and ``run(x: RunningJob)``, and the point for all other run functions."""
    try:
        first = next(iter(inspect.signature(run).parameters.values()), None)
    except (TypeError, ValueError):  # some builtins have no signature
        first = None
    takes_a_job = first is not None and (first.name == "job" or "RunningJob" in str(first.annotation))
    return DeepHyperJob(point, trial) if takes_a_job else dict(point)
