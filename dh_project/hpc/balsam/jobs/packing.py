"""How many trials the nodes of a batch job hold beside the search's driver, and what each takes.

Balsam's launchers count a node's room in shares (``1 / node_packing_count``), cores and GPUs. The driver takes one
core and next to no share. In serial mode a node that is full to 1.001 is full, so trials take ``1 / n`` each. In mpi
mode the server hands out jobs while their shares fit into what all nodes have left, without that slack, and the
last trial would wait for ever; there trials take ``1 / (n + 1)``, and GPUs and cores hold the limit. Where they do
not, no more trials may be under way than run at a time, for a launcher would start those that wait, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from dh_project.common.errors import UserError
from dh_project.hpc.balsam.client.models import JobResources
from dh_project.hpc.balsam.install.installation import NodeKind

SHARE_OF_DRIVER = 10_000
"""The driver's ``node_packing_count``."""

MPI, SERIAL = "mpi", "serial"


@dataclass(frozen=True)
class Packing:
    """What the jobs of a search take.

    Attributes:
        slots: Trials at a time.
        trial: What a trial's job takes.
        driver: What the search's own job takes.
        is_tight: Whether a launcher starts no more trials on a node than the user allows, however many wait.
    """

    slots: int
    trial: JobResources
    driver: JobResources
    is_tight: bool = True


@dataclass(frozen=True)
class Wishes:
    """What the user asks for; None where the node's size shall tell.

    Attributes:
        trials_per_node: Trials on one node at a time.
        nodes_per_trial: Nodes of one trial.
        ranks_per_node: Processes of one trial on each of its nodes.
        threads_per_rank: Cores of one process.
        gpus_per_trial: GPUs of one trial on each of its nodes.
    """

    trials_per_node: int | None = None
    nodes_per_trial: int = 1
    ranks_per_node: int = 1
    threads_per_rank: int | None = None
    gpus_per_trial: float | None = None


def pack(node: NodeKind, num_nodes: int, job_mode: str, wishes: Wishes) -> Packing:
    """Return what the jobs of a search take.

    Args:
        node: What a node holds.
        num_nodes: Nodes of the batch job.
        job_mode: ``mpi`` or ``serial``.
        wishes: What the user asks for.

    Raises:
        UserError: A trial does not fit beside the driver, or the mode cannot run it.
    """
    ranks, nodes = wishes.ranks_per_node, wishes.nodes_per_trial
    if job_mode == SERIAL and (nodes > 1 or ranks > 1):
        raise UserError(f"-j serial: a trial of {nodes} nodes with {ranks} ranks on each needs -j mpi")
    gpus = _gpus(node, wishes)
    if nodes > 1 or (job_mode == MPI and not node.packs):
        slots, per_node, count = (num_nodes - 1) // nodes, 1, 1
        if slots < 1:
            raise UserError(
                f"-n {num_nodes}: a trial of {nodes} nodes beside the search's own needs at least {nodes + 1}"
            )
    else:
        per_node = wishes.trials_per_node or _trials_per_node(node, wishes, gpus)
        slots, count = num_nodes * per_node, per_node + (job_mode == MPI)
    threads = wishes.threads_per_rank or max(1, (node.cores - 1) // (per_node * ranks))
    if per_node * ranks * threads > node.cores - 1:
        raise UserError(
            f"trials on a node: {per_node}, of {ranks * threads} cores each, are more than its {node.cores - 1} "
            f"beside the search's own; lower --num-evals-per-node or --num-threads-per-rank"
        )
    if gpus and per_node * gpus > node.gpus:
        raise UserError(
            f"--num-evals-per-node {per_node}: {per_node} trials of {gpus} GPUs are more than a node's {node.gpus}"
        )
    if gpus % ranks:
        raise UserError(
            f"--num-gpus-per-task {gpus}: {gpus} GPUs cannot be shared by {ranks} ranks; give a multiple of {ranks}"
        )
    trial = JobResources(
        num_nodes=nodes,
        ranks_per_node=ranks,
        threads_per_rank=threads,
        gpus_per_rank=gpus // ranks,
        node_packing_count=count,
    )
    has_room = (per_node + 1) * ranks * threads <= node.cores and (per_node + 1) * gpus <= node.gpus
    is_packed = (
        job_mode == MPI and count > 1 and num_nodes > 1
    )  # one node's shares leave no room for one more
    is_tight = not (is_packed and has_room and wishes.trials_per_node)
    return Packing(slots, trial, JobResources(node_packing_count=SHARE_OF_DRIVER), is_tight)


def _gpus(node: NodeKind, wishes: Wishes) -> int:
    """Return the GPUs of a trial on each of its nodes: one a rank where there are GPUs and nothing is said."""
    asked = wishes.gpus_per_trial
    if asked is None:
        return min(node.gpus, wishes.ranks_per_node)
    if asked != int(asked) or asked < 0:
        raise UserError(
            f"--num-gpus-per-task {asked:g}: Balsam gives out whole GPUs; to share one, let the site split it (MIG)"
        )
    if asked > node.gpus:
        raise UserError(f"--num-gpus-per-task {asked:g}: a node of this site has {node.gpus} GPUs")
    return int(asked)


def _trials_per_node(node: NodeKind, wishes: Wishes, gpus: int) -> int:
    if gpus:
        return node.gpus // gpus
    return max(1, (node.cores - 1) // (wishes.ranks_per_node * (wishes.threads_per_rank or 1)))
