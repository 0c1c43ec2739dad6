"""What the trials of a search may use, whatever carries them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrialShape:
    """What one trial takes.

    Attributes:
        processes: Processes that train together.
        cores: Cores of each process.
        gpus: GPUs of each process, or a share of one; None for one if there are GPUs.
        nodes: Nodes that the processes are spread over.
    """

    processes: int = 1
    cores: int = 1
    gpus: float | None = None
    nodes: int = 1


@dataclass(frozen=True)
class Resources:
    """What the trials may use.

    Attributes:
        num_workers: Trials at a time; None for as many as the machines hold.
        cpus_per_trial: Cores a trial.
        gpus_per_trial: GPUs a trial, or a share of one; None for one where there are GPUs.
        trials_per_node: Trials on one node at a time; None for as many as it holds.
        nodes_per_trial: Nodes of one trial.
        ranks_per_trial: Processes of one trial, on all of its nodes.
        ranks_per_node: The same on each of its nodes, of a job of Balsam.
        threads_per_rank: Cores of each; None for an even share of the node's.
        workflow: Name of the search among the jobs of a site; empty for its folder's name.
        folder: Where the search stands.
        trials_ahead: Trials that wait while all slots are busy; None for one for each 16 slots.
        rank_timeout: Seconds after which an MPI rank that says nothing is given up.
        gpu_order: Which GPU of a node its first, second, … rank gets; empty for the GPUs' own order.
        gpus_by_launcher: Whether the launcher shows each rank GPUs of its own, which all ranks may count from 0.
        ray_address: Address of a Ray cluster; empty for one started on this machine.
        ray_password: Its password, where it has one.
    """

    num_workers: int | None = None
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None
    trials_per_node: int | None = None
    nodes_per_trial: int = 1
    ranks_per_trial: int = 1
    ranks_per_node: int = 1
    threads_per_rank: int | None = None
    workflow: str = ""
    folder: Path = Path()
    trials_ahead: int | None = None
    rank_timeout: float = 60.0
    gpu_order: tuple[int, ...] = ()
    gpus_by_launcher: bool = False
    ray_address: str = ""
    ray_password: str | None = None
