"""Placement: how many processes of a trial a node holds, and which cores and GPUs each of them gets.

Every evaluator and every job script uses these functions, so that a laptop, a Ray cluster, the ranks of an MPI job
and the nodes of a supercomputer follow one set of rules:

- A node holds as many processes as both its GPUs and its cores allow.
- A process with a whole number of GPUs has them alone. A process with less than one shares a GPU with others.
- Processes are spread evenly over the GPUs of their node.
- No process has cores on two sockets, unless it has the node alone or is larger than a socket.
- The processes of a trial are neighbours; a trial that is spread over several nodes has as many on each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from dh_project.common.errors import UserError
from dh_project.trial.shape import TrialShape

FINEST = 10_000
"""Ray counts GPUs in steps of one ten-thousandth."""

Slot = TypeVar("Slot")


@dataclass(frozen=True)
class Capacity:
    """What the trials may use on one node.

    Attributes:
        sockets: Usable cores of each socket. One number if sockets do not matter; empty if the cores are not known.
        gpus: Number of GPUs.
    """

    sockets: tuple[int, ...] = ()
    gpus: int = 0

    @property
    def cores(self) -> int:
        """Usable cores."""
        return sum(self.sockets)


def gpus_per_process(asked: float | None, gpus: int) -> float:
    """Return how many GPUs each process gets on nodes with ``gpus`` GPUs.

    Args:
        asked: What the user asks for. None means one if there are GPUs.
        gpus: GPUs of a node.

    Raises:
        UserError: If this is not a valid number of GPUs, or a node has fewer.

    Example:
        >>> from dh_project.evaluators.placement import gpus_per_process
        >>> gpus_per_process(None, gpus=4), gpus_per_process(None, gpus=0), gpus_per_process(0.5, gpus=4)
        (1.0, 0.0, 0.5)
    """
    if asked is None:
        return 1.0 if gpus else 0.0
    if not 0 <= asked < math.inf:
        raise UserError(f"--num-gpus-per-task {asked:g}: give 0 or more, 0.25 for a quarter of a GPU")
    if 0 < asked < 1 / FINEST:
        raise UserError(f"--num-gpus-per-task {asked:g}: give 0, or at least {1 / FINEST:g}")
    if asked > 0 and not gpus:
        raise UserError(
            f"--num-gpus-per-task {asked:g}: there is no GPU here; leave the option out or give 0"
        )
    if asked > gpus or (asked > 1 and asked != int(asked)):
        raise UserError(
            f"--num-gpus-per-task {asked:g}: there are {gpus} GPUs; give a share below 1 or a whole number of them"
        )
    return asked


def share_of_a_gpu(processes: int, gpus: int) -> float:
    """Return the largest share of a GPU with which ``processes`` processes fit on ``gpus`` GPUs.

    Example:
        >>> from dh_project.evaluators.placement import share_of_a_gpu
        >>> share_of_a_gpu(processes=8, gpus=4), share_of_a_gpu(processes=3, gpus=1)
        (0.5, 0.3333)
    """
    on_each = math.ceil(processes / gpus)
    return max(FINEST // on_each, 1) / FINEST


def processes_on_gpus(share: float, gpus: int) -> int:
    """Return how many processes with ``share`` GPUs each the GPUs of a node hold."""
    return gpus // int(share) if share >= 1 else gpus * int(1 / share + 1e-9)


def processes_on_cores(sockets: Sequence[int], cores: int) -> int:
    """Return how many processes with ``cores`` cores each the sockets of a node hold."""
    return len(sockets) * (min(sockets) // cores) or sum(sockets) // cores


def processes_on_node(node: Capacity, shape: TrialShape) -> int:
    """Return how many processes of a shape a node holds; its cores are ignored if they are not known.

    Raises:
        UserError: If a process cannot have the GPUs that it is to have.

    Example:
        Four GPUs would hold four processes, but 32 cores hold only two processes of 16:

        >>> from dh_project.evaluators.placement import Capacity, processes_on_node
        >>> from dh_project.trial.shape import TrialShape
        >>> node = Capacity(sockets=(32,), gpus=4)
        >>> processes_on_node(node, TrialShape(cores=8)), processes_on_node(node, TrialShape(cores=16))
        (4, 2)
    """
    share = gpus_per_process(shape.gpus, node.gpus)
    limits = [processes_on_gpus(share, node.gpus)] if share else []
    if node.sockets:
        limits.append(processes_on_cores(node.sockets, shape.cores or 1))
    return min(limits, default=0)


def trials_on_nodes(processes: Sequence[int], shape: TrialShape) -> int:
    """Return how many trials of a shape run at a time on nodes that hold so many processes each.

    Example:
        Trials of four processes on two nodes each:

        >>> from dh_project.evaluators.placement import trials_on_nodes
        >>> from dh_project.trial.shape import TrialShape
        >>> trials_on_nodes([4, 4, 4], TrialShape(processes=4, nodes=2))
        2
    """
    if shape.nodes == 1:
        return sum(processes) // shape.processes
    groups = range(0, len(processes) - shape.nodes + 1, shape.nodes)
    return sum(min(processes[first : first + shape.nodes]) // shape.processes_per_node for first in groups)


def in_order_of_trials(nodes: Sequence[Sequence[Slot]], shape: TrialShape) -> list[Slot]:
    """Return the slots of nodes in the order in which trials fill them: those of one trial follow each other.

    Slots that no trial of the shape can use are left out if a trial is spread over several nodes.

    Args:
        nodes: The slots of each node. A slot holds one process.
        shape: What one trial takes.
    """
    nodes = [slots for slots in nodes if slots]
    if shape.nodes == 1:
        return [slot for slots in nodes for slot in slots]
    each, ordered = shape.processes_per_node, list[Slot]()
    for first in range(0, len(nodes) - shape.nodes + 1, shape.nodes):
        group = nodes[first : first + shape.nodes]
        for start in range(0, min(map(len, group)) - each + 1, each):
            ordered += [slot for slots in group for slot in slots[start : start + each]]
    return ordered


def gpus_of_slots(share: float, gpus: Sequence[str], count: int) -> list[list[str]]:
    """Return the GPUs of each of ``count`` processes on a node, spread evenly over its GPUs.

    Args:
        share: GPUs of each process.
        gpus: Names of the node's GPUs.
        count: Number of processes, at most ``processes_on_gpus(share, len(gpus))``.

    Example:
        >>> from dh_project.evaluators.placement import gpus_of_slots
        >>> gpus_of_slots(0.5, ["0", "1"], count=4), gpus_of_slots(1, ["0", "1", "2", "3"], count=2)
        ([['0'], ['0'], ['1'], ['1']], [['0'], ['2']])
    """
    size = max(int(share), 1)
    groups = [list(gpus[first : first + size]) for first in range(0, len(gpus) - size + 1, size)]
    return [groups[slot * len(groups) // count] for slot in range(count)]


def in_words(cores: int, gpus: float = 0.0) -> str:
    """Return what a process takes in words: ``2 cores and 0.5 GPU``."""
    counted = "1 core" if cores == 1 else f"{cores} cores"
    return f"{counted} and {gpus:g} {'GPU' if gpus <= 1 else 'GPUs'}" if gpus else counted


def cores_per_process(sockets: Sequence[int], count: int) -> int:
    """Return the most cores that each of ``count`` processes on a node can have; 0 if they do not fit."""
    return sum(sockets) if count == 1 else min(sockets) // math.ceil(count / len(sockets))


def cores_of_slots(sockets: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """Return the cores of each of ``count`` processes on a node, none of them on two sockets.

    Args:
        sockets: Numbers of the usable cores of each socket.
        count: Number of processes.

    Example:
        >>> from dh_project.evaluators.placement import cores_of_slots
        >>> cores_of_slots([[1, 2, 3], [5, 6, 7]], count=2)
        [[1, 2, 3], [5, 6, 7]]
    """
    if count == 1:
        return [[core for socket in sockets for core in socket]]
    cores = cores_per_process([len(socket) for socket in sockets], count)
    starts = range(0, cores * math.ceil(count / len(sockets)), cores or 1)
    return [list(socket[start : start + cores]) for socket in sockets for start in starts][:count]
