"""The shape of a trial: how many processes, cores, GPUs and nodes one trial takes."""

from __future__ import annotations

from dataclasses import dataclass

from dh_project.common.errors import UserError


@dataclass(frozen=True)
class TrialShape:
    """What one trial takes.

    ``dh_project.evaluators.placement`` computes how many trials of a shape fit on a node.

    Attributes:
        processes: Processes (ranks) of the trial, on all of its nodes together.
        nodes: Nodes over which the processes are spread evenly. With 1, they are placed one after the other, wherever
            there is room.
        cores: Cores of each process. None gives each process an even share of its node.
        gpus: GPUs of each process; below 1, several processes share a GPU. None means one if there are GPUs.

    Raises:
        UserError: A value is no number, or less than 1.

    Example:
        Four processes on two nodes, each with 8 cores and one GPU:

        >>> from dh_project.trial.shape import TrialShape
        >>> TrialShape(processes=4, nodes=2, cores=8, gpus=1).processes_per_node
        2
    """

    processes: int = 1
    nodes: int = 1
    cores: int | None = 1
    gpus: float | None = None

    def __post_init__(self) -> None:
        for name in ("processes", "nodes", "cores"):
            number = getattr(self, name)
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise UserError(f"trial.{name}={number!r}: give a whole number from 1 on")
        if not isinstance(self.gpus, int | float | None):
            raise UserError(f"trial.gpus={self.gpus!r}: give a number")

    @property
    def processes_per_node(self) -> int:
        """Processes of this trial on each of its nodes."""
        return self.processes // self.nodes
