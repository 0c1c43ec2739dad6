"""Packing: how many trials the nodes of a Balsam batch job hold beside the search's driver, and what each takes.

Balsam's launchers count the room on a node in shares (``1 / node_packing_count``), cores and GPUs. The driver takes
one core and almost no share. Trials take different shares in the two modes:

- In serial mode, the shares on a node may add up to 1.001. Trials take ``1 / n`` each.
- In mpi mode, the server hands out jobs while their shares fit into the rest of all nodes, without that tolerance, so
  that the last trial would wait for ever. Trials take ``1 / (n + 1)``, and the cores and GPUs enforce the limit. If
  they cannot, the search must not have more trials under way than run at a time, because a launcher would start
  waiting ones too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dh_project.common.errors import UserError
from dh_project.evaluators.placement import (
    Capacity,
    cores_per_process,
    gpus_per_process,
    processes_on_node,
)
from dh_project.hpc.balsam.client.models import JobResources
from dh_project.hpc.balsam.install.installation import NodeKind
from dh_project.trial.shape import TrialShape

SHARE_OF_DRIVER = 10_000
"""``node_packing_count`` of the driver."""

MPI, SERIAL = "mpi", "serial"


@dataclass(frozen=True)
class Packing:
    """What the jobs of a search take.

    Attributes:
        slots: Number of trials that run at a time.
        trial: Resources of a trial's job.
        driver: Resources of the search's own job.
        is_tight: Whether a launcher never starts more trials on a node than the user allows, however many wait.
    """

    slots: int
    trial: JobResources
    driver: JobResources
    is_tight: bool = True


def pack(
    node: NodeKind, num_nodes: int, job_mode: str, shape: TrialShape, trials_per_node: int | None = None
) -> Packing:
    """Return what the jobs of a search take.

    Args:
        node: What a node holds.
        num_nodes: Nodes of the batch job.
        job_mode: ``mpi`` or ``serial``.
        shape: What one trial takes.
        trials_per_node: Most trials on one node at a time. None means as many as fit.

    Raises:
        UserError: If a trial does not fit beside the driver, or the mode cannot run it.

    Example:
        Two nodes with 32 cores and 4 GPUs hold eight trials of one GPU and 7 cores:

        >>> from dh_project.hpc.balsam.install.installation import NodeKind
        >>> from dh_project.hpc.balsam.jobs.packing import pack
        >>> from dh_project.trial.shape import TrialShape
        >>> packing = pack(NodeKind(cores=32, gpus=4), 2, "mpi", TrialShape(cores=None))
        >>> packing.slots, packing.trial.threads_per_rank
        (8, 7)
    """
    processes, nodes = shape.processes_per_node, shape.nodes
    if job_mode == SERIAL and shape.processes > 1:
        raise UserError(f"-j serial: a trial of {nodes} nodes with {processes} ranks on each needs -j mpi")
    room = Capacity((node.cores - 1,), node.gpus)  # beside the driver
    gpus = _whole_gpus(shape.gpus, node.gpus)
    if nodes > 1 or (job_mode == MPI and not node.packs):
        slots, per_node, count = (num_nodes - 1) // nodes, 1, 1
        if slots < 1:
            raise UserError(
                f"-n {num_nodes}: a trial of {nodes} nodes beside the search's own needs at least {nodes + 1}"
            )
    else:
        per_node = trials_per_node or max(1, processes_on_node(room, replace(shape, gpus=gpus)) // processes)
        slots, count = num_nodes * per_node, per_node + (job_mode == MPI)
    on_node = per_node * processes
    threads = shape.cores or max(1, cores_per_process(room.sockets, on_node))
    if on_node * threads > room.cores:
        raise UserError(
            f"trials on a node: {per_node}, of {processes * threads} cores each, are more than its {room.cores} "
            f"beside the search's own; lower --num-evals-per-node or --num-threads-per-rank"
        )
    if on_node * gpus > node.gpus:
        raise UserError(
            f"trials on a node: {per_node}, of {processes * gpus} GPUs each, are more than its {node.gpus}; lower "
            "--num-evals-per-node, --num-ranks-per-node or --num-gpus-per-task"
        )
    trial = JobResources(
        num_nodes=nodes,
        ranks_per_node=processes,
        threads_per_rank=threads,
        gpus_per_rank=gpus,
        node_packing_count=count,
    )
    has_room = (on_node + processes) * threads <= node.cores and (on_node + processes) * gpus <= node.gpus
    # the shares of a single node leave no room for one trial more
    is_packed = job_mode == MPI and count > 1 and num_nodes > 1
    is_tight = not (is_packed and has_room and trials_per_node)
    return Packing(slots, trial, JobResources(node_packing_count=SHARE_OF_DRIVER), is_tight)


def _whole_gpus(asked: float | None, gpus: int) -> int:
    """Return the GPUs of each process, which Balsam gives out whole.

    Raises:
        UserError: If a share of a GPU is asked for, or more than a node has.
    """
    if asked is not None and 0 < asked < 1:
        raise UserError(
            f"--num-gpus-per-task {asked:g}: Balsam gives out whole GPUs; to share one, let the site split it (MIG)"
        )
    return int(gpus_per_process(asked, gpus))
