"""How a job's nodes are shared: ranks on a node, cores and GPUs of each, and the trials that all nodes hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dh_project.common.errors import UserError
from dh_project.hpc.sites.facts import Gpu, Node, Site
from dh_project.trial.gpus import FINEST, gpu_share, gpus_of_workers, room_on_gpus

if TYPE_CHECKING:
    from dh_project.hpc.batch_jobs.script import Program


@dataclass(frozen=True)
class Share:
    """How a node is shared among ranks; a part is None where the job has to count its cores.

    Attributes:
        ranks: Ranks on a node.
        cores: Cores of each.
        threads: Hardware threads of each.
        cpus_per_trial: Cores of a trial's process.
        core_lists: The cores of each rank, none of them on two sockets, as ``1-8:9-16``.
        gpus: The devices of each rank, as ``3,2``; none where it has none.
        gpus_per_trial: GPUs of a trial's process that a search has to be told; None where it finds that itself.
    """

    ranks: int | None
    cores: int | None = None
    threads: int | None = None
    cpus_per_trial: int | None = None
    core_lists: str | None = None
    gpus: tuple[str, ...] = ()
    gpus_per_trial: float | None = None

    @classmethod
    def of(cls, site: Site, program: Program) -> Share:
        """Share a node.

        Raises:
            UserError: It has not as many GPUs or cores.
        """
        share, told = _gpu_share(site, program)
        ranks, cpus = program.ranks_per_node, program.cpus_per_trial
        if site.gpu and share:
            ranks = ranks or room_on_gpus(share, site.gpu.count)
        if program.evaluator == "mpi" and share and ranks:
            _check_launcher(site, share, ranks)
        if program.evaluator is None:
            ranks = ranks or 1
        gpus = _gpus(site.gpu, share, ranks) if site.gpu and share and ranks else ()
        if share and program.evaluator == "mpi" and not (site.gpu and site.gpu.is_seen_by_ranks):
            told = None
        usable = site.node.usable_cores
        if usable is None:
            return cls(ranks, None, None, cpus or (None if ranks else 1), None, gpus, told)
        ranks = ranks or _ranks_of_cores(site.node, cpus or 1)
        wanted = max(ranks, 1) * (cpus or 1)
        if wanted > usable:
            raise UserError(
                f"a node of {site.name} has {usable} cores for jobs, and {wanted} are asked for: give fewer trials a "
                "node, or fewer cores a trial"
            )
        cores = _cores_of_ranks(site.node, ranks)
        if cores < (cpus or 1):
            raise UserError(
                f"a node of {site.name} has {site.node.sockets} sockets, which do not hold {ranks} trials of "
                f"{cpus or 1} cores: give fewer trials a node, or fewer cores a trial"
            )
        lists = _core_lists(site.node, ranks, cores)
        return cls(ranks, cores, cores * site.node.threads_per_core, cpus or cores, lists, gpus, told)


def trials(site: Site, program: Program, share: Share, nodes: int) -> str:
    """Return how many trials the nodes of a job hold at a time, for Bash.

    Raises:
        UserError: They hold none.
    """
    ranks, spread = program.ranks_per_trial, program.nodes_per_trial
    each = ranks // spread
    if spread == 1:
        held = (share.ranks or ranks) * nodes // ranks
    else:
        held = nodes // spread * ((share.ranks or each) // each)
    if not held:
        on_each = f" of {share.ranks} ranks" if share.ranks else ""
        over = f" on {spread} nodes" if spread > 1 else ""
        raise UserError(
            f"--ranks-per-trial {ranks}: {nodes} nodes of {site.name}{on_each} hold no trial of {ranks} ranks{over}; "
            "ask for more nodes, or fewer ranks a trial"
        )
    if ranks == 1:
        return '"$ranks"'
    if spread == 1:
        return f'"$(( ranks / {ranks} ))"'
    return f'"$(( nodes / {spread} * (ranks_per_node / {each}) ))"'


def _gpu_share(site: Site, program: Program) -> tuple[float, float | None]:
    """Return the GPUs of a trial's process, and what of that a search has to be told."""
    asked, trials_per_node = program.gpus_per_trial, program.ranks_per_node
    count = site.gpu.count if site.gpu else 0
    if asked is not None and asked != 0 and not count:
        raise UserError(
            f"--num-gpus-per-task {asked:g}: the file of {site.name} names no GPUs; leave it out, or name them in "
            "a site file of your own, in a table [gpu]"
        )
    if asked is None and trials_per_node is not None and count and trials_per_node > count:
        on_each = math.ceil(trials_per_node / count)
        asked = max(FINEST // on_each, 1) / FINEST
    share = gpu_share(asked, count)
    if share and trials_per_node is not None and trials_per_node > (room := room_on_gpus(share, count)):
        raise UserError(
            f"--num-evals-per-node {trials_per_node}: the {count} GPUs of a node of {site.name} hold "
            f"{room} trials of {share:g}; give fewer, or a smaller --num-gpus-per-task"
        )
    return share, asked


def _check_launcher(site: Site, share: float, ranks: int) -> None:
    """Check that a launcher that shows each rank one GPU is told where it is to be otherwise.

    Raises:
        UserError: It is not.
    """
    shows_one = site.gpu is not None and site.gpu.variable == "launcher"
    if shows_one and share != 1 and str(ranks) not in site.launch.bindings:
        raise UserError(
            f"the launcher of {site.name} shows each rank one GPU, and {ranks} ranks a node get {share:g} each: give "
            f"its file a binding of its own for {ranks}, or leave --num-gpus-per-task out"
        )


def _gpus(gpu: Gpu, share: float, ranks: int) -> tuple[str, ...]:
    """Return the devices of each local rank, near to its cores."""
    each = gpus_of_workers(max(share, 1), [str(device) for device in gpu.by_local_rank])
    return tuple(",".join(each[rank * len(each) // ranks]) for rank in range(ranks))


def _ranks_of_cores(node: Node, cpus: int) -> int:
    """Return how many ranks of so many cores a node holds."""
    smallest = min(map(len, node.cores_of_sockets))
    return node.sockets * (smallest // cpus) or (node.usable_cores or 0) // cpus


def _cores_of_ranks(node: Node, ranks: int) -> int:
    """Return the cores of each of so many ranks; only one that has the node alone is on several sockets."""
    smallest = min(map(len, node.cores_of_sockets))
    return node.usable_cores or 0 if ranks == 1 else smallest // math.ceil(ranks / node.sockets)


def _core_lists(node: Node, ranks: int, cores: int) -> str:
    """Return the cores of each rank."""
    if ranks == 1:
        return _ranges([core for socket in node.cores_of_sockets for core in socket])
    starts = range(0, cores * math.ceil(ranks / node.sockets), cores or 1)
    lists = [socket[start : start + cores] for socket in node.cores_of_sockets for start in starts]
    return ":".join(map(_ranges, lists[:ranks]))


def _ranges(cores: list[int]) -> str:
    """Return cores in their order, as ``1-51,53-103``."""
    firsts = [core for core in cores if core - 1 not in cores]
    lasts = [core for core in cores if core + 1 not in cores]
    return ",".join(
        str(first) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=True)
    )
