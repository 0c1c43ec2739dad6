"""Which ranks of an MPI job carry workers, with which GPUs, and in which order they are filled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from dh_project.common.errors import UserError
from dh_project.trial.gpus import gpu_share, gpus_of_workers
from dh_project.trial.shape import Resources

Ranks = list[tuple[int, list[str]]]
"""The ranks of a machine, each with the GPUs that it sees."""


@dataclass(frozen=True)
class Slot:
    """A rank that carries a worker.

    Attributes:
        rank: Its rank; 0 for this process.
        node: The machine.
        gpus: Those that its trials may use, as ``devices.gpu_variable`` names them; None for what its launcher has
            given it.
    """

    rank: int
    node: str
    gpus: tuple[str, ...] | None = None


def slots_of(nodes: dict[str, Ranks], resources: Resources) -> list[Slot]:
    """Return the ranks that carry workers, in the order in which they are filled.

    Where there are GPUs, a machine's ranks share those that all of them see in the order of their local ranks, or
    ``resources.gpu_order``; rank 0 carries a worker, too, where a GPU is left for it. Where there are none, it
    does so where as many trials are asked for, or a trial of several ranks needs it.

    Args:
        nodes: The ranks of each machine, each with the GPUs that it sees.
        resources: What is asked for.

    Raises:
        UserError: It is more than there is.
    """
    if resources.gpus_per_trial == 0:
        by_node = {node: [Slot(rank, node, ()) for rank, _ in ranks] for node, ranks in nodes.items()}
    else:
        by_node = {node: _slots_of_node(node, ranks, resources) for node, ranks in nodes.items()}
    count = sum(map(len, nodes.values()))
    has_gpus = any(gpus for ranks in nodes.values() for _, gpus in ranks) and resources.gpus_per_trial != 0
    if (resources.gpus_per_trial or 0) > 0 and not has_gpus:
        raise UserError(f"--num-gpus-per-task {resources.gpus_per_trial:g}: no rank sees a GPU; leave it out")
    each = resources.ranks_per_trial
    wanted = (resources.num_workers or 0) * each
    ordered = _in_order(list(by_node.values()), resources)
    if not has_gpus and wanted < count and count > 1:
        others = _in_order([[slot for slot in slots if slot.rank] for slots in by_node.values()], resources)
        if each == 1 or len(others) // each == len(ordered) // each:
            ordered = others  # rank 0 only searches
    if not ordered and resources.nodes_per_trial > 1:
        spread = resources.nodes_per_trial
        raise UserError(
            f"--nodes-per-trial {spread}: {len(nodes)} machines have ranks, and hold no trial of {each // spread} on "
            f"each of {spread}; start more ranks"
        )
    if max(wanted, each) > len(ordered):
        asked = f"--num-workers {resources.num_workers}" if wanted else f"--ranks-per-trial {each}"
        raise UserError(
            f"{asked}: the {count} ranks hold {len(ordered) // each} trials of {each}; start more ranks, or lower it"
        )
    return ordered[: wanted or len(ordered)]


def _slots_of_node(node: str, ranks: Ranks, resources: Resources) -> list[Slot]:
    """Return a machine's slots: ranks that see the same GPUs divide them."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for rank, gpus in ranks:
        groups[tuple(gpus)].append(rank)
    slots: list[Slot] = []
    for seen, of in groups.items():
        if not seen:
            slots += [Slot(rank, node) for rank in of]
            continue
        share = gpu_share(resources.gpus_per_trial, len(seen))
        if resources.gpus_by_launcher:
            slots += [Slot(rank, node) for rank in of]
            continue
        gpus = _reordered(list(seen), resources.gpu_order)
        shares = gpus_of_workers(share, gpus)
        if len(of) > len(shares):  # rank 0 is there to search, and others have no work
            of = [rank for rank in of if rank != 0][: len(shares)]
        slots += [Slot(rank, node, tuple(own)) for rank, own in zip(of, shares, strict=False)]
    return sorted(slots, key=lambda slot: slot.rank)


def _reordered(gpus: list[str], order: Sequence[int]) -> list[str]:
    """Return GPUs in a site's order of local ranks, where it fits them."""
    return [gpus[index] for index in order] if sorted(order) == list(range(len(gpus))) else gpus


def _in_order(nodes: list[list[Slot]], resources: Resources) -> list[Slot]:
    """Return slots so that those of one trial follow each other, on as many nodes as it is to have."""
    nodes = [slots for slots in nodes if slots]
    spread, ranks = resources.nodes_per_trial, resources.ranks_per_trial
    if spread == 1:
        return [slot for slots in nodes for slot in slots]
    each = ranks // spread
    ordered = []
    for first in range(0, len(nodes) - spread + 1, spread):
        together = nodes[first : first + spread]
        for start in range(0, min(map(len, together)) - each + 1, each):
            ordered += [slot for slots in together for slot in slots[start : start + each]]
    return ordered
