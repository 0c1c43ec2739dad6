"""Prediction, crystals a second in one thread; and whether all predict the same.

    python benchmarks/cgcnn/inference.py --original CLONE

Graphs lie in memory as in ``epoch.py``. Gradients are switched off for all (the original keeps them in validation,
which is slower). Outputs and gradients are compared with the same weights, those of a short training, on the same
graphs: with the original's, and with what its network gives in double precision, which tells rounding from a
difference. torch_geometric's CGConv is another layer and is not compared.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from contestants import OURS, PEERS, Contestant, contestants
from options import parser, sample_folder
from peers import CGCNN2, GEOMETRIC, ORIGINAL, missing_peers
from rich.table import Table
from timing import Timed, interleaved, print_speeds, print_table
from torch import Tensor

SHORT_TRAINING = 5
"""Epochs, after which running statistics and weights are of the usual size."""


@dataclass(frozen=True)
class Difference:
    """How far two networks are from each other, with the same weights on the same graphs.

    Attributes:
        outputs: The largest difference of an output (normalised labels).
        gradients: Norm of the gradients' difference, over the gradient's.
        worst_gradient: The largest difference of a gradient, over the largest gradient of the same parameter.
    """

    outputs: float
    gradients: float
    worst_gradient: float


def measure(
    folder: Path, original: Path | None, rounds: int, peers: Collection[str] = PEERS
) -> tuple[dict[str, Timed], dict[str, tuple[Difference, Difference]], list[str]]:
    """Time all that are here, and compare each with the peer and with that one in double precision.

    The peer is the original, or cgcnn2 if the original is missing. The lines name ours that are missing.
    """
    torch.set_num_threads(1)
    found, crystals, missing = contestants(folder, original, peers)
    _share_trained_weights(found, crystals.labels)
    differences = _differences(found)
    timed = interleaved({name: one.predict for name, one in found.items()}, len(crystals), rounds)
    return timed, differences, missing


def _share_trained_weights(found: dict[str, Contestant], labels: Tensor) -> None:
    ours = found[OURS]
    optimizer = torch.optim.Adam(ours.network.parameters(), lr=0.01)
    for _ in range(SHORT_TRAINING):
        ours.train_epoch(optimizer, labels.mean().item(), labels.std().item())
    for name, one in found.items():
        if name != GEOMETRIC:
            one.network.load_state_dict(ours.network.state_dict())


def _differences(found: dict[str, Contestant]) -> dict[str, tuple[Difference, Difference]]:
    peer = found.get(ORIGINAL) or found.get(CGCNN2)
    if peer is None:
        return {}
    weights = {name: value.clone() for name, value in peer.network.state_dict().items()}
    exact = _in_double(peer)
    results = {name: _results(one) for name, one in found.items() if name != GEOMETRIC}
    for name in results:
        found[name].network.load_state_dict(weights)  # training mode has moved the running statistics
    wanted = results[ORIGINAL if ORIGINAL in found else CGCNN2], _results(exact)
    return {name: (_difference(one, wanted[0]), _difference(one, wanted[1])) for name, one in results.items()}


Results = tuple[Tensor, dict[str, Tensor]]
"""Outputs, and the gradient by parameter; in double precision."""


def _results(one: Contestant) -> Results:
    outputs = one.predict().double()
    return outputs, {name: gradient.double() for name, gradient in one.gradients().items()}


def _in_double(peer: Contestant) -> Contestant:
    """Return the original, or cgcnn2, computing in double precision."""
    network = copy.deepcopy(peer.network).double()

    def forward(batch: Any) -> tuple[Tensor, Tensor]:
        (features, bonds, neighbours, atoms), labels, _ = batch
        outputs = network(features.double(), bonds.double(), neighbours, atoms)
        return (outputs[0] if isinstance(outputs, tuple) else outputs), labels

    return Contestant(network, peer.batches, forward)


def _difference(ours: Results, theirs: Results) -> Difference:
    """Compare; the bias before a batch normalisation is left out: it cancels, and its gradient is rounding alone."""
    names = [name for name in theirs[1] if not name.endswith("fc_full.bias")]
    apart = {name: ours[1][name] - theirs[1][name] for name in names}
    return Difference(
        outputs=(ours[0] - theirs[0]).abs().max().item(),
        gradients=_norm(apart.values()) / _norm(theirs[1][name] for name in names),
        worst_gradient=max((apart[name].abs().max() / theirs[1][name].abs().max()).item() for name in names),
    )


def _norm(gradients: Iterable[Tensor]) -> float:
    return sum(float(one.square().sum()) for one in gradients) ** 0.5


def main() -> None:
    """Measure and print the tables."""
    options = parser(__doc__).parse_args()
    folder = sample_folder(options)
    timed, differences, missing = measure(folder, options.original, options.rounds)
    missing += missing_peers(options.original, CGCNN2, GEOMETRIC)
    print_speeds(f"{folder.name}: prediction, crystals", timed, PEERS, missing)
    peer = ORIGINAL if options.original else CGCNN2
    for place, name in enumerate((peer, f"{peer} in double precision")):
        table = Table("", "outputs", "gradient", "worst parameter's gradient", box=None)
        for one, both in differences.items():
            apart = both[place]
            values = (apart.outputs, apart.gradients, apart.worst_gradient)
            table.add_row(one, *(f"{value:.1e}" for value in values))
        print_table(f"{folder.name}: difference from {name}, same weights, same graphs", table)


if __name__ == "__main__":
    main()
