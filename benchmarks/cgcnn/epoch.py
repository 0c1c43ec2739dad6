"""Measures a training epoch, in crystals per second in one thread: forward, backward and optimizer step.

    python benchmarks/cgcnn/epoch.py --original CLONE

All have the original's architecture and batch size by default, and the same graphs in memory before it begins, each
in its own form: ours flat arrays, the original and cgcnn2 a list of their tensors (what their cache holds after a
first epoch) with their own collation and torch's loader, torch_geometric its ``Data`` with its own loader. The loop
is one and the same; the original's own adds the bookkeeping of its errors to it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

import torch
from contestants import OURS, PEERS, PURE, UNFOLDED, contestants
from options import parser, sample_folder
from peers import CGCNN2, GEOMETRIC, missing_peers
from timing import Timed, interleaved, print_speeds

from dh_project.cgcnn_mp.training.settings import Settings

RATE = 0.01


def measure(
    folder: Path, original: Path | None, optimizer: str, rounds: int, peers: Collection[str] = PEERS
) -> tuple[dict[str, Timed], list[str]]:
    """Time one epoch of each installed contestant, after a first one; return lines for ours that are missing."""
    torch.set_num_threads(1)
    found, crystals, missing = contestants(folder, original, peers)
    labels = crystals.labels
    mean, std = labels.mean().item(), labels.std().item()
    ways = {}
    for name, one in found.items():
        if name in (OURS, UNFOLDED, PURE):
            steps = Settings(lr=RATE, optim=optimizer).make_optimizer(one.network)
        else:  # as the original makes it
            momentum = {"momentum": 0.9} if optimizer == "SGD" else {}
            steps = getattr(torch.optim, optimizer)(one.network.parameters(), lr=RATE, **momentum)
        ways[name] = partial(one.train_epoch, steps, mean, std)
        ways[name]()
    return interleaved(ways, len(crystals), rounds), missing


def main() -> None:
    """Measure and print a table for each optimizer."""
    made = parser(__doc__)
    made.add_argument("--optimizers", nargs="+", default=["SGD", "Adam"], choices=["SGD", "Adam"])
    options = made.parse_args()
    folder = sample_folder(options)
    for optimizer in options.optimizers:
        timed, missing = measure(folder, options.original, optimizer, options.rounds)
        missing += missing_peers(options.original, CGCNN2, GEOMETRIC)
        title = f"{folder.name}: training epoch with {optimizer}, crystals"
        print_speeds(title, timed, PEERS, missing)


if __name__ == "__main__":
    main()
