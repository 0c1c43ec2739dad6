"""Ways of training on a GPU, each as a function for an epoch and one for predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from contestants import ARCHITECTURE, BATCH_SIZE, load_crystals
from peers import Item
from torch import Tensor, nn

from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalSet
from dh_project.cgcnn_mp.network.cuda_graphs import RecordedSteps
from dh_project.cgcnn_mp.network.kernels import count_gaussians
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet

RATE = 0.01


@dataclass(frozen=True)
class Way:
    """A network on a device, and what is done with it.

    Attributes:
        network: The network.
        train_epoch: Forward, backward and step for each batch of the shuffled set; returns the mean loss.
        predict: Outputs for the whole set in its order, float32 (C, 1).
    """

    network: nn.Module
    train_epoch: Callable[[], Tensor]
    predict: Callable[[], Tensor]


class Repeated:
    """A stand-in for the recording of CUDA graphs on a CPU. A replay runs the action again."""

    def warm_up(self, action: Callable[[], Tensor]) -> Tensor:
        """Do the action."""
        return action()

    def record(self, action: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return the action."""
        return action


def load_normalised(data: str, crystals: int | None, device: torch.device) -> CrystalSet:
    """Return the first crystals of a data set in which every atom has its neighbours, on the device.

    Args:
        data: As ``load_data`` takes it.
        crystals: How many; None: all.
        device: Where to.

    Returns:
        With labels of mean 0 and standard deviation 1.
    """
    found = load_crystals(data)
    rows = found.rows[:crystals]
    labels = found.graphs.labels
    mean, deviation = labels[rows].mean(0), labels[rows].std(0)
    graphs = replace(found.graphs, labels=(labels - mean) / deviation)
    return CrystalSet(graphs.to(device), rows)


def make_optimizer(network: nn.Module, **options: Any) -> torch.optim.Optimizer:
    """Return the optimizer that all ways train with."""
    return torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9, **options)


def ours(
    crystals: CrystalSet,
    kernels: str,
    cuda_graphs: bool = False,
    mixed_precision: bool = False,
    seed: int = 0,
) -> Way:
    """Return our way.

    Args:
        crystals: On the device, labels normalised.
        kernels: Those of the gated sum.
        cuda_graphs: Whether training steps are recorded.
        mixed_precision: Whether matrices are multiplied in bfloat16.
        seed: Of the initial weights and the order of crystals.
    """
    graphs = crystals.graphs
    device = graphs.labels.device
    torch.manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)
    features, gaussians = graphs.element_features.shape[1], count_gaussians(graphs.radius)
    network = CrystalGraphConvNet(features, gaussians, **ARCHITECTURE).to(device)
    optimizer = make_optimizer(network, fused=True)

    def inside() -> AbstractContextManager[Any]:
        stack = ExitStack()
        stack.enter_context(using_kernels(kernels))
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=mixed_precision))
        return stack

    def step(batch: Batch) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with inside():
            outputs = network(batch)
        loss = F.mse_loss(outputs.float(), batch.labels)
        with using_kernels(kernels):
            loss.backward()
        optimizer.step()
        return loss.detach()

    recorder = Repeated() if device.type == "cpu" else None
    recorded = RecordedSteps(graphs, step, optimizer, recorder=recorder) if cuda_graphs else None

    def losses(rows: Tensor) -> Iterable[Tensor]:
        if recorded is not None:
            return recorded.losses(rows, BATCH_SIZE)
        return (step(batch) for batch in graphs.batches(rows, BATCH_SIZE))

    def train_epoch() -> Tensor:
        network.train()
        rows = crystals.rows[torch.randperm(len(crystals), generator=shuffle)]
        return _mean(losses(rows), device)

    def predict() -> Tensor:
        network.eval()
        with inside(), torch.inference_mode():
            batches = graphs.batches(crystals.rows, BATCH_SIZE)
            return torch.cat([network(batch).float() for batch in batches])

    return Way(network, train_epoch, predict)


def original(data: Any, model: Any, items: list[Item], device: torch.device) -> Way:
    """Return the original's: its network and collation, torch's loader, and its copying to the GPU.

    Args:
        data: Its module of that name.
        model: Its module of that name.
        items: The crystals as its data set gives them, labels normalised.
        device: Where to train.
    """
    torch.manual_seed(0)
    (features, bonds, _), _, _ = items[0]
    network = model.CrystalGraphConvNet(features.shape[1], bonds.shape[2], **ARCHITECTURE).to(device)
    optimizer = make_optimizer(network)
    pinned = device.type == "cuda"

    def batches(shuffled: bool) -> Iterator[tuple[Tensor, Tensor]]:
        loader: Any = torch.utils.data.DataLoader(
            items,  # type: ignore[arg-type]
            batch_size=BATCH_SIZE,
            shuffle=shuffled,
            collate_fn=data.collate_pool,
            pin_memory=pinned,
        )
        for (*tensors, crystals), labels, _ in loader:
            moved = [tensor.to(device, non_blocking=True) for tensor in tensors]
            indices = [index.to(device, non_blocking=True) for index in crystals]
            yield network(*moved, indices), labels.to(device, non_blocking=True)

    def step(outputs: Tensor, labels: Tensor) -> Tensor:
        loss = F.mse_loss(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def train_epoch() -> Tensor:
        network.train()
        return _mean((step(*pair) for pair in batches(True)), device)

    def predict() -> Tensor:
        network.eval()
        with torch.inference_mode():
            return torch.cat([outputs for outputs, _ in batches(False)])

    return Way(network, train_epoch, predict)


def _mean(losses: Iterable[Tensor], device: torch.device) -> Tensor:
    """Return the mean of losses without waiting for any."""
    total, count = torch.zeros((), device=device), 0
    for loss in losses:
        total += loss
        count += 1
    return total / count
