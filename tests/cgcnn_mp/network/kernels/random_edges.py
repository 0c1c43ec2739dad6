"""Random edges: some classes have none, some have many, some are repeated, and one class is padding."""

import torch

from dh_project.cgcnn_mp.network.batch_norm import BatchNorm
from dh_project.cgcnn_mp.network.kernels import Edges

COUNTS = (5, 0, 17, 3, 1, 0, 8, 2, 0)


def random_edges(counts=COUNTS, distances=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(counts)
    size = int(counts.sum())
    multiplicities = torch.randint(1, 5, (len(counts),), generator=generator).float()
    multiplicities[-1] = 0

    def draw(high, low=0):
        return torch.randint(low, high, (size,), generator=generator)

    return Edges(
        first=torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int(),
        classes=torch.repeat_interleave(counts).int(),
        neighbours=draw(max(len(counts) - 1, 1)).int(),
        shells=draw(distances).int(),
        repeats=draw(7, low=1).float(),
        multiplicities=multiplicities,
        distance_count=distances,
    )


def random_inputs(edges, width, dtype=torch.float32, seed=0):
    """Return random terms of z (own, other, bond), and a batch normalisation."""
    generator = torch.Generator().manual_seed(seed)

    def draw(rows):
        return torch.randn(rows, 2 * width, generator=generator, dtype=dtype)

    shares = [
        draw(rows).requires_grad_()
        for rows in (len(edges.multiplicities), len(edges.multiplicities), edges.distance_count)
    ]
    norm = BatchNorm(2 * width).to(dtype)
    with torch.no_grad():
        norm.weight.copy_(draw(1)[0])
        norm.bias.copy_(draw(1)[0])
        norm.running_mean.copy_(draw(1)[0])
        norm.running_var.copy_(draw(1)[0].square() + 0.5)
    return shares, norm
