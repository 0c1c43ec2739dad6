"""The base class of adapters that run a user's class as a run function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, ClassVar

from dh_project.common.errors import UserError
from dh_project.results.trial_files import find_file


class Trainable(ABC):
    """Runs a user's class as a run function ``run(point, **run_kwargs)``.

    Args:
        kind: The class.

    Attributes:
        own_arguments: The run-kwargs that belong to this adapter and not to the user's class.
        seed: Default of the run-kwarg ``seed``, if the adapter has one.
        checkpoint: File name of the checkpoint to resume from, in the folder of a trial.
        takes_ranks: Whether several processes can train one point together.
        balsamjob_spec: The class's own settings of its Balsam jobs, if it has any.
    """

    own_arguments: ClassVar[tuple[str, ...]]
    seed: ClassVar[int] = 0
    checkpoint: ClassVar[str]
    takes_ranks: ClassVar[bool] = True
    resumable: ClassVar[bool] = True  # the mark of dh.resumable

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.__name__ = kind.__name__
        self.balsamjob_spec = getattr(kind, "balsamjob_spec", None)

    @abstractmethod
    def check(self, run_kwargs: Mapping[str, Any], names: Sequence[str]) -> None:
        """Check the run-kwargs and the names of the hyperparameters, before the first trial.

        Args:
            run_kwargs: The run-kwargs.
            names: The names of the hyperparameters; empty if they are unknown.

        Raises:
            UserError: One of them is wrong.
        """

    def check_ranks(self, ranks: int) -> None:
        """Check that this number of processes can train a point together.

        Raises:
            UserError: There are several, and the class is trained by one process.
        """
        if ranks > 1 and not self.takes_ranks:
            raise UserError(
                f"{self.kind.__name__} is trained by one process a trial; leave --ranks-per-trial out"
            )

    @abstractmethod
    def __call__(self, point: Mapping[str, Any], **run_kwargs: Any) -> float:
        """Train a point and return its objective."""

    def of_prepare(self, run_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the run-kwargs for a function ``prepare`` beside the class."""
        return {name: value for name, value in run_kwargs.items() if name not in self.own_arguments}

    def file_to_resume(self, run_kwargs: Mapping[str, Any]) -> Path | None:
        """Return the checkpoint that the run-kwarg ``resume`` names; None if it is not given.

        Raises:
            UserError: There is no such file.
        """
        resume = run_kwargs.get("resume")
        return find_file(str(resume), self.checkpoint, what="checkpoint") if resume is not None else None

    def _signature(self, parameters: Sequence[Parameter]) -> Signature:
        """Return a signature with the point, these parameters as keywords, and the adapter's own arguments."""
        keyword, by_name = Parameter.KEYWORD_ONLY, (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        named = {p.name: p.replace(kind=keyword) for p in parameters if p.kind in by_name}
        defaults = {"seed": self.seed}
        own = {name: Parameter(name, keyword, default=defaults.get(name)) for name in self.own_arguments}
        rest = [p for p in parameters if p.kind is Parameter.VAR_KEYWORD]
        point = Parameter("point", Parameter.POSITIONAL_OR_KEYWORD)
        return Signature([point, *(own | named).values(), *rest])
