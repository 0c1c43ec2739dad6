"""Prediction, crystals a second in one thread; and whether all predict the same.

    python benchmarks/cgcnn/inference.py --original CLONE

Graphs lie in memory as in ``epoch.py``. Gradients are switched off for all (the original keeps them in validation,
which is slower). Outputs and gradients are compared with the same weights, those of an epoch of training, on the
same graphs; torch_geometric's CGConv is another layer and is not compared.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from contestants import OURS, Contestant, contestants
from options import parser, sample_folder
from peers import CGCNN2, GEOMETRIC, ORIGINAL, missing_peers
from rich.table import Table
from timing import Timed, interleaved, print_speeds, print_table
from torch import Tensor


@dataclass(frozen=True)
class Difference:
    """How far one network is from a peer's, with the same weights on the same graphs.

    Attributes:
        outputs: The largest difference of an output (normalised labels).
        gradients: The largest difference of a gradient, over the largest gradient of its parameter.
    """

    outputs: float
    gradients: float


def measure(
    folder: Path, original: Path | None, rounds: int
) -> tuple[dict[str, Timed], dict[str, Difference], list[str]]:
    """Time and compare all that are here; the lines say what of ours is not."""
    torch.set_num_threads(1)
    found, crystals, missing = contestants(folder, original)
    _share_trained_weights(found, crystals.labels)
    differences = _differences(found)
    timed = interleaved({name: one.predict for name, one in found.items()}, len(crystals), rounds)
    return timed, differences, missing


def _share_trained_weights(found: dict[str, Contestant], labels: Tensor) -> None:
    ours = found[OURS]
    optimizer = torch.optim.Adam(ours.network.parameters(), lr=0.01)
    ours.train_epoch(optimizer, labels.mean().item(), labels.std().item())
    for name, one in found.items():
        if name != GEOMETRIC:
            one.network.load_state_dict(ours.network.state_dict())


def _differences(found: dict[str, Contestant]) -> dict[str, Difference]:
    """Compare each with the original, or where that is not here, with cgcnn2."""
    peer = found.get(ORIGINAL) or found.get(CGCNN2)
    for one in found.values():
        one.predict()
    if peer is None:
        return {}
    wanted, slopes = peer.predict(), None
    weights = {name: value.clone() for name, value in peer.network.state_dict().items()}
    differences = {}
    for name, one in [(name, one) for name, one in found.items() if name != GEOMETRIC and one is not peer]:
        outputs = (one.predict() - wanted).abs().max().item()
        slopes = slopes or peer.gradients()
        differences[name] = Difference(outputs, _largest_difference(one.gradients(), slopes))
        one.network.load_state_dict(weights)  # training mode has moved the running statistics
    peer.network.load_state_dict(weights)
    return differences


def _largest_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Return the largest difference relative to the largest gradient of the same parameter.

    The bias before a batch normalisation cancels: its gradient is rounding alone, and is left out.
    """
    return max(
        ((ours[name] - gradient).abs().max() / gradient.abs().max()).item()
        for name, gradient in theirs.items()
        if not name.endswith("fc_full.bias")
    )


def main() -> None:
    """Measure and print the tables."""
    options = parser(__doc__).parse_args()
    folder = sample_folder(options)
    timed, differences, missing = measure(folder, options.original, options.rounds)
    missing += missing_peers(options.original, CGCNN2, GEOMETRIC)
    print_speeds(f"{folder.name}: prediction, crystals", timed, [ORIGINAL, CGCNN2, GEOMETRIC], missing)
    table = Table("", "outputs", "gradients, relative", box=None)
    for name, one in differences.items():
        table.add_row(name, f"{one.outputs:.1e}", f"{one.gradients:.1e}")
    peer = ORIGINAL if options.original else CGCNN2
    print_table(f"{folder.name}: largest difference from {peer}, same weights, same graphs", table)


if __name__ == "__main__":
    sys.exit(main())
