"""A rank's share of each batch."""

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
    """Yield this rank's share of each batch, and what its mean loss weighs in that of the batch.

    Args:
        graphs: The graphs of the whole data set.
        rows: int64 (crystals,), which of them, on the CPU; in all ranks the same.
        batch_size: Crystals a batch, of all ranks together.
        ranks: Among whom each batch is divided.
    """
    for part in rows.split(batch_size):
        own = ranks.share(part)
        if len(part) == 1:
            # it may be a single atom, which is normalised otherwise: each rank computes all of it
            yield _spread(graphs.batch(part), ALONE), 1 / ranks.size
        elif len(own):
            yield _spread(graphs.batch(own), ranks), len(own) / len(part)
        else:
            yield _uncounted(_spread(graphs.batch(part[:1]), ranks)), 0.0


def _spread(batch: Batch, ranks: Ranks) -> Batch:
    return replace(batch, edges=replace(batch.edges, ranks=ranks))


def _uncounted(batch: Batch) -> Batch:
    """Return a batch whose atoms count nothing: its rank does as the others do, and changes nothing."""
    nothing = torch.zeros_like(batch.edges.multiplicities)
    return replace(batch, edges=replace(batch.edges, multiplicities=nothing))
