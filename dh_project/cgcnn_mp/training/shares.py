"""Dividing each batch among the ranks of a data-parallel training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalGraphs
from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks


def shared_batches(
    graphs: CrystalGraphs, rows: Tensor, batch_size: int, ranks: Ranks
) -> Iterator[tuple[Batch, float]]:
    """Yield this rank's share of each batch, and the weight of its mean loss in the mean loss of the batch.

    Args:
        graphs: The graphs of the whole data set.
        rows: int64 (crystals,), indices of the crystals, on the CPU; the same on all ranks.
        batch_size: Crystals per batch, on all ranks together.
        ranks: The ranks that share each batch.

    Yields:
        A batch, and its weight. The weights of all ranks add up to 1.
    """
    for part in rows.split(batch_size):
        own = ranks.share(part)
        if len(part) == 1:
            # batch normalisation of a single atom differs, so each rank computes the whole batch
            yield _spread(graphs.batch(part), ALONE), 1 / ranks.size
        elif len(own):
            yield _spread(graphs.batch(own), ranks), len(own) / len(part)
        else:
            yield _uncounted(_spread(graphs.batch(part[:1]), ranks)), 0.0


def _spread(batch: Batch, ranks: Ranks) -> Batch:
    return replace(batch, edges=replace(batch.edges, ranks=ranks))


def _uncounted(batch: Batch) -> Batch:
    """Return a batch whose atoms have weight 0, for a rank without crystals, which must call the same collectives."""
    nothing = torch.zeros_like(batch.edges.multiplicities)
    return replace(batch, edges=replace(batch.edges, multiplicities=nothing))
