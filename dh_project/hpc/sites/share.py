"""Share of a node: ranks on each node of a batch job, and the cores and GPUs of each rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dh_project.common.errors import UserError
from dh_project.evaluators.placement import (
    Capacity,
    cores_of_slots,
    cores_per_process,
    gpus_of_slots,
    gpus_per_process,
    processes_on_gpus,
    processes_on_node,
    share_of_a_gpu,
    trials_on_nodes,
)
from dh_project.hpc.sites.facts import Site

if TYPE_CHECKING:
    from dh_project.hpc.batch_jobs.script import Program


@dataclass(frozen=True)
class Share:
    """The share that each rank has of a node. A field is None if the job has to count the node's cores first.

    Attributes:
        ranks: Ranks that the launcher starts on a node.
        cores: Cores of each rank.
        threads: Hardware threads of each rank.
        cpus_per_task: Value of ``--num-cpus-per-task`` for the search: cores of a trial's process.
        core_lists: Cores of each rank, never on two sockets, as ``1-8:9-16``.
        gpus: GPUs of each rank, as ``3,2``. Empty if the ranks have none.
        gpus_per_task: Value of ``--num-gpus-per-task`` for the search. None if the search finds the number itself.
    """

    ranks: int | None
    cores: int | None = None
    threads: int | None = None
    cpus_per_task: int | None = None
    core_lists: str | None = None
    gpus: tuple[str, ...] = ()
    gpus_per_task: float | None = None

    @classmethod
    def of(cls, site: Site, program: Program) -> Share:
        """Return the share of each rank of a program on a site's nodes.

        Raises:
            UserError: If it does not have as many GPUs or cores.
        """
        share, told = _gpu_share(site, program)
        shape = replace(program.shape, gpus=share)
        node = Capacity(
            tuple(map(len, site.node.cores_of_sockets)) if site.node.cores else (), _gpus_of(site)
        )
        ranks = program.ranks_per_node
        if ranks is None and program.evaluator is None and not share:
            ranks = 1  # a single command has the node alone
        if ranks is None and (share or node.sockets):
            ranks = max(processes_on_node(node, shape), 1)
        if program.evaluator == "mpi" and share and ranks:
            _check_launcher(site, share, ranks)
        gpus: tuple[str, ...] = ()
        if site.gpu and share and ranks:
            devices = [str(device) for device in site.gpu.by_local_rank]
            gpus = tuple(",".join(own) for own in gpus_of_slots(share, devices, ranks))
        if share and program.evaluator == "mpi" and not (site.gpu and site.gpu.is_seen_by_ranks):
            told = None
        if ranks is None or not node.sockets:
            return cls(ranks, None, None, shape.cores or (None if ranks else 1), None, gpus, told)
        wanted = ranks * (shape.cores or 1)
        if wanted > node.cores:
            raise UserError(
                f"a node of {site.name} has {node.cores} cores for jobs, and {wanted} are asked for: give fewer "
                "trials a node, or fewer cores a trial"
            )
        cores = cores_per_process(node.sockets, ranks)
        if cores < (shape.cores or 1):
            raise UserError(
                f"a node of {site.name} has {site.node.sockets} sockets, which do not hold {ranks} trials of "
                f"{shape.cores or 1} cores: give fewer trials a node, or fewer cores a trial"
            )
        lists = ":".join(map(_ranges, cores_of_slots(site.node.cores_of_sockets, ranks)))
        return cls(ranks, cores, cores * site.node.threads_per_core, shape.cores or cores, lists, gpus, told)


def trials(site: Site, program: Program, share: Share, nodes: int) -> str:
    """Return the number of trials that the nodes of a job hold at a time, as a Bash expression.

    Raises:
        UserError: If they hold none.
    """
    shape = program.shape
    each = shape.processes_per_node
    on_node = share.ranks or (shape.processes if shape.nodes == 1 else each)  # else the job counts its cores
    if not trials_on_nodes([on_node] * nodes, shape):
        on_each = f" of {share.ranks} ranks" if share.ranks else ""
        over = f" on {shape.nodes} nodes" if shape.nodes > 1 else ""
        raise UserError(
            f"--ranks-per-trial {shape.processes}: {nodes} nodes of {site.name}{on_each} hold no trial of "
            f"{shape.processes} ranks{over}; ask for more nodes, or fewer ranks a trial"
        )
    if shape.processes == 1:
        return '"$ranks"'
    if shape.nodes == 1:
        return f'"$(( ranks / {shape.processes} ))"'
    return f'"$(( nodes / {shape.nodes} * (ranks_per_node / {each}) ))"'


def idle_gpus(site: Site, program: Program, share: Share, nodes: int, most: int | None = None) -> float:
    """Return the number of GPUs of a job that no trial uses; 0 if the number of ranks is not known.

    Args:
        site: The site.
        program: The program of the job.
        share: The share of each rank.
        nodes: Nodes of the job.
        most: Largest number of trials that run at a time; None: as many as the nodes hold.
    """
    if not _gpus_of(site) or share.ranks is None:
        return 0
    held = trials_on_nodes([share.ranks] * nodes, program.shape)
    ranks = min(held, held if most is None else most) * program.shape.processes
    return max(0, nodes * _gpus_of(site) - ranks * _gpu_share(site, program)[0])


def _gpus_of(site: Site) -> int:
    return site.gpu.count if site.gpu else 0


def _gpu_share(site: Site, program: Program) -> tuple[float, float | None]:
    """Return the GPUs of a trial's process, and the number that the search has to be told."""
    asked, ranks, count = program.shape.gpus, program.ranks_per_node, _gpus_of(site)
    if asked is not None and asked != 0 and not count:
        raise UserError(
            f"--num-gpus-per-task {asked:g}: the file of {site.name} names no GPUs; leave it out, or name them in "
            "a site file of your own, in a table [gpu]"
        )
    if asked is None and ranks is not None and count and ranks > count:
        asked = share_of_a_gpu(ranks, count)
    share = gpus_per_process(asked, count)
    if share and ranks is not None and ranks > (room := processes_on_gpus(share, count)):
        raise UserError(
            f"--num-evals-per-node {ranks}: the {count} GPUs of a node of {site.name} hold "
            f"{room} trials of {share:g}; give fewer, or a smaller --num-gpus-per-task"
        )
    return share, asked


def _check_launcher(site: Site, share: float, ranks: int) -> None:
    """Check that the site has a launch line for this share, if its launcher shows each rank one GPU.

    Raises:
        UserError: If it has none.
    """
    shows_one = site.gpu is not None and site.gpu.variable == "launcher"
    if shows_one and share != 1 and str(ranks) not in site.launch.bindings:
        raise UserError(
            f"the launcher of {site.name} shows each rank one GPU, and {ranks} ranks a node get {share:g} each: give "
            f"its file a binding of its own for {ranks}, or leave --num-gpus-per-task out"
        )


def _ranges(cores: list[int]) -> str:
    """Return ascending core numbers as text: ``1-51,53-103``."""
    firsts = [core for core in cores if core - 1 not in cores]
    lasts = [core for core in cores if core + 1 not in cores]
    return ",".join(
        str(first) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=True)
    )
