"""Networks of one architecture on the same graphs in memory, each fed the way it is made for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peers import (
    CGCNN2,
    GEOMETRIC,
    ORIGINAL,
    Item,
    complete_rows,
    geometric_items,
    load_installed,
    load_original,
    original_items,
)
from torch import Tensor, nn

from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.load_data import load_data
from dh_project.cgcnn_mp.network.kernels import count_gaussians
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet

OURS, UNFOLDED, PURE = "ours", "ours, quotient off", "ours, pure torch"
PEERS = (ORIGINAL, CGCNN2, GEOMETRIC)
BATCH_SIZE = 256
ARCHITECTURE: dict[str, Any] = {"atom_fea_len": 64, "n_conv": 3, "h_fea_len": 128, "n_h": 1}
"""The original's defaults."""


@dataclass(frozen=True)
class Contestant:
    """A network with its data.

    Attributes:
        network: In evaluation or training mode, as one sets it.
        batches: Called with whether to shuffle; yields batches in the form that it takes.
        forward: The network's outputs for a batch, and the labels, float32 (C, 1) each.
        kernels: Which of our kernels it computes with.
    """

    network: nn.Module
    batches: Callable[[bool], Iterable[Any]]
    forward: Callable[[Any], tuple[Tensor, Tensor]]
    kernels: str = "auto"

    def train_epoch(self, optimizer: torch.optim.Optimizer, mean: float, std: float) -> None:
        """Forward, backward and step for each batch of the shuffled set."""
        self.network.train()
        with using_kernels(self.kernels):
            for batch in self.batches(True):
                outputs, labels = self.forward(batch)
                loss = F.mse_loss(outputs, (labels - mean) / std)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def predict(self) -> Tensor:
        """Return the outputs for the whole set in its order, (C, 1), in evaluation mode."""
        self.network.eval()
        with using_kernels(self.kernels), torch.inference_mode():
            return torch.cat([self.forward(batch)[0] for batch in self.batches(False)])

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the mean squared output over the first batch, in training mode."""
        self.network.train()
        self.network.zero_grad()
        with using_kernels(self.kernels):
            self.forward(next(iter(self.batches(False))))[0].square().mean().backward()
        return {name: value.grad for name, value in self.network.named_parameters() if value.grad is not None}


def load_crystals(folder: Path | str, **options: Any) -> CrystalSet:
    """Return all crystals of a folder in which every atom has its twelve neighbours; options: ``load_data``'s."""
    sets = load_data(folder, progress=False, **options)
    graphs = sets[0].graphs
    rows = torch.cat([part.rows for part in sets]).sort().values
    return CrystalSet(graphs, complete_rows(graphs, rows))


def contestants(
    folder: Path, original: Path | None, peers: Collection[str] = PEERS
) -> tuple[dict[str, Contestant], CrystalSet, list[str]]:
    """Return ours and the peers that are here, our crystals, and a line for each of ours that is not here."""
    torch.manual_seed(0)
    crystals = load_crystals(folder)
    features, gaussians = crystals.graphs.element_features.shape[1], count_gaussians(crystals.graphs.radius)
    found = {OURS: _ours(crystals, features, gaussians)}
    missing: list[str] = []
    found[UNFOLDED] = _ours(load_crystals(folder, quotient=False), features, gaussians)
    found[PURE] = _ours(crystals, features, gaussians, "torch")
    items = original_items(crystals.graphs, crystals.rows)
    for name, modules in (
        (ORIGINAL, load_original(original)),
        (CGCNN2, load_installed(CGCNN2, "data", "model")),
    ):
        if modules is not None and name in peers:
            data, model = modules
            found[name] = _collating(data, model, items, features, gaussians)
    if GEOMETRIC in peers and (modules := load_installed(GEOMETRIC, "data", "loader", "nn")):
        found[GEOMETRIC] = _geometric(modules, items, features, gaussians)
    return found, crystals, missing


def _ours(crystals: CrystalSet, features: int, gaussians: int, kernels: str = "auto") -> Contestant:
    network = CrystalGraphConvNet(features, gaussians, **ARCHITECTURE)
    generator = torch.Generator().manual_seed(0)
    return Contestant(
        network=network,
        batches=lambda shuffled: crystals.batches(BATCH_SIZE, generator if shuffled else None),
        forward=lambda batch: (network(batch), batch.labels),
        kernels=kernels,
    )


def _collating(data: Any, model: Any, items: list[Item], features: int, gaussians: int) -> Contestant:
    """Return the original, or what keeps its form: its own network and collation, torch's loader."""
    network = model.CrystalGraphConvNet(features, gaussians, **ARCHITECTURE)

    def batches(shuffled: bool) -> Iterable[Any]:
        return torch.utils.data.DataLoader(
            items,  # type: ignore[arg-type]
            batch_size=BATCH_SIZE,
            shuffle=shuffled,
            collate_fn=data.collate_pool,
        )

    def forward(batch: Any) -> tuple[Tensor, Tensor]:
        inputs, labels, _ = batch
        outputs = network(*inputs)
        return (outputs[0] if isinstance(outputs, tuple) else outputs), labels

    return Contestant(network, batches, forward)


def _geometric(modules: list[Any], items: list[Item], features: int, gaussians: int) -> Contestant:
    """Return a plain loop of CGConv layers between the original's embedding and head.

    CGConv has one normalisation a layer, the original two, and no softplus after it: less work.
    """
    data, loader, layers = modules
    atoms, hidden = ARCHITECTURE["atom_fea_len"], ARCHITECTURE["h_fea_len"]
    crystals = geometric_items(data, items)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Linear(features, atoms)
            self.convs = nn.ModuleList(
                layers.CGConv(atoms, gaussians, batch_norm=True) for _ in range(ARCHITECTURE["n_conv"])
            )
            self.conv_to_fc = nn.Linear(atoms, hidden)
            self.fc_out = nn.Linear(hidden, 1)

        def forward(self, batch: Any) -> Tensor:
            values = self.embedding(batch.x)
            for conv in self.convs:
                values = conv(values, batch.edge_index, batch.edge_attr)
            means = layers.global_mean_pool(values, batch.batch, batch.num_graphs)
            outputs: Tensor = self.fc_out(F.softplus(self.conv_to_fc(F.softplus(means))))
            return outputs

    network = Network()
    return Contestant(
        network=network,
        batches=lambda shuffled: loader.DataLoader(crystals, batch_size=BATCH_SIZE, shuffle=shuffled),
        forward=lambda batch: (network(batch), batch.y),
    )
