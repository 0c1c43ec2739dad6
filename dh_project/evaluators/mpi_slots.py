"""The ranks of an MPI job that carry workers, their GPUs, and the order in which trials fill them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from dh_project.common.errors import UserError
from dh_project.evaluators.placement import (
    gpus_of_slots,
    gpus_per_process,
    in_order_of_trials,
    processes_on_gpus,
)
from dh_project.evaluators.settings import EvaluatorSettings

Ranks = list[tuple[int, list[str]]]
"""The ranks of a machine, each with the GPUs that it sees."""


@dataclass(frozen=True)
class Slot:
    """A rank that carries a worker.

    Attributes:
        rank: Its rank, 0 for this process.
        node: Its machine.
        gpus: The GPUs that its trials may use, as ``dh_project.trial.gpus.gpu_variable`` names them. None for those
            that its launcher has given it.
    """

    rank: int
    node: str
    gpus: tuple[str, ...] | None = None


def slots_of(nodes: dict[str, Ranks], settings: EvaluatorSettings) -> list[Slot]:
    """Return the ranks that carry workers, in the order in which trials fill them.

    On nodes with GPUs, the ranks that see the same GPUs divide them in the order of their local ranks, or in
    ``settings.gpu_order``. Rank 0 carries a worker if a GPU is left for it. On nodes without GPUs, it carries one
    only if as many trials are asked for, or if a trial of several processes needs it.

    Args:
        nodes: The ranks of each node, each with the GPUs that it sees.
        settings: The shape of a trial, and the number of trials.

    Raises:
        UserError: If the ranks hold less than is asked for.
    """
    shape = settings.shape
    if shape.gpus == 0:
        by_node = {node: [Slot(rank, node, ()) for rank, _ in ranks] for node, ranks in nodes.items()}
    else:
        by_node = {node: _slots_of_node(node, ranks, settings) for node, ranks in nodes.items()}
    count = sum(map(len, nodes.values()))
    has_gpus = any(gpus for ranks in nodes.values() for _, gpus in ranks) and shape.gpus != 0
    if (shape.gpus or 0) > 0 and not has_gpus:
        raise UserError(f"--num-gpus-per-task {shape.gpus:g}: no rank sees a GPU; leave it out")
    each = shape.processes
    wanted = settings.num_processes or 0
    ordered = in_order_of_trials(list(by_node.values()), shape)
    if not has_gpus and wanted < count and count > 1:
        without_rank_0 = [[slot for slot in slots if slot.rank] for slots in by_node.values()]
        others = in_order_of_trials(without_rank_0, shape)
        if each == 1 or len(others) // each == len(ordered) // each:
            ordered = others  # rank 0 only searches
    if not ordered and shape.nodes > 1:
        raise UserError(
            f"--nodes-per-trial {shape.nodes}: {len(nodes)} machines have ranks, and hold no trial of "
            f"{shape.processes_per_node} on each of {shape.nodes}; start more ranks"
        )
    if max(wanted, each) > len(ordered):
        asked = f"--num-workers {settings.num_workers}" if wanted else f"--ranks-per-trial {each}"
        raise UserError(
            f"{asked}: the {count} ranks hold {len(ordered) // each} trials of {each}; start more ranks, or lower it"
        )
    return ordered[: wanted or len(ordered)]


def _slots_of_node(node: str, ranks: Ranks, settings: EvaluatorSettings) -> list[Slot]:
    """Return the slots of a node: ranks that see the same GPUs divide them."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for rank, gpus in ranks:
        groups[tuple(gpus)].append(rank)
    slots: list[Slot] = []
    for seen, of in groups.items():
        share = gpus_per_process(settings.shape.gpus, len(seen)) if seen else 0.0
        if not seen or settings.gpus_by_launcher:
            slots += [Slot(rank, node) for rank in of]
            continue
        held = processes_on_gpus(share, len(seen))
        if len(of) > held:  # rank 0 is there to search, and the others have no work
            of = [rank for rank in of if rank != 0][:held]
        shares = gpus_of_slots(share, _reordered(seen, settings.gpu_order), len(of))
        slots += [Slot(rank, node, tuple(own)) for rank, own in zip(of, shares, strict=True)]
    return sorted(slots, key=lambda slot: slot.rank)


def _reordered(gpus: Sequence[str], order: Sequence[int]) -> Sequence[str]:
    """Return GPUs in a site's order of local ranks, if it has as many."""
    return [gpus[index] for index in order] if sorted(order) == list(range(len(gpus))) else gpus
