"""Several networks of one architecture, trained in one process as one network with a dimension more. An experiment.

The networks differ in their weights and learning rates and take the same batches. ``torch.func.vmap`` makes one
batched operator of theirs, so that a GPU which one small network leaves idle is filled, and the CPU starts one
kernel for all of them. The gated sum is that of plain torch, with buffers of the edges' size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from contestants import BATCH_SIZE
from gpu_ways import RATE
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalSet
from dh_project.cgcnn_mp.network.kernels import expand_distances
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet

Weights = dict[str, Tensor]
MOMENTUM, EPSILON = 0.9, 1e-5


def _normalised(rows: Tensor, weights: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows normalised with their weighted mean and variance, and these."""
    shares = weights / weights.sum()
    mean = shares @ rows
    centred = rows - mean
    variance = shares @ centred.square()
    return torch.addcmul(shift, centred, scale * (variance + EPSILON).rsqrt()), mean, variance


def outputs_of(
    weights: Weights, batch: Batch, layers: int, gaussians: int, hidden: int
) -> tuple[Tensor, Weights]:
    """Compute CGCNN in training mode as a function of its weights.

    Returns:
        Outputs, (C, 1), and what the running statistics move towards, by name.
    """
    edges, statistics = batch.edges, {}
    bonds = expand_distances(batch.distances, gaussians)
    atoms = F.linear(batch.element_features, weights["embedding.weight"], weights["embedding.bias"])
    atoms = atoms.index_select(0, batch.elements)
    total = edges.weights.sum()
    for layer in range(layers):
        name = f"convs.{layer}."
        width = atoms.shape[1]
        own, other, bond = weights[name + "fc_full.weight"].split([width, width, gaussians], dim=1)
        gates = F.linear(atoms, own, weights[name + "fc_full.bias"]).index_select(0, edges.classes)
        gates = gates + F.linear(atoms, other).index_select(0, edges.neighbours)
        gates = gates + F.linear(bonds, bond).index_select(0, edges.shells)
        gates, mean, variance = _normalised(
            gates, edges.weights, weights[name + "bn1.weight"], weights[name + "bn1.bias"]
        )
        statistics[name + "bn1.running_mean"] = mean
        statistics[name + "bn1.running_var"] = variance * (total / (total - 1))
        strength, core = gates.chunk(2, dim=1)
        messages = torch.sigmoid(strength) * F.softplus(core) * edges.repeats.unsqueeze(1)
        sums = torch.zeros_like(atoms).index_add(0, edges.classes, messages)
        sums, mean, variance = _normalised(
            sums, edges.multiplicities, weights[name + "bn2.weight"], weights[name + "bn2.bias"]
        )
        count = edges.multiplicities.sum()
        statistics[name + "bn2.running_mean"] = mean
        statistics[name + "bn2.running_var"] = variance * (count / (count - 1))
        atoms = F.softplus(atoms + sums)
    atoms = atoms * edges.multiplicities.unsqueeze(1)
    crystals = atoms.new_zeros(len(batch.atom_counts), atoms.shape[1]).index_add(0, batch.crystals, atoms)
    crystals = F.softplus(crystals / batch.atom_counts.unsqueeze(1))
    names = ["conv_to_fc", *(f"fcs.{layer}" for layer in range(hidden - 1))]
    for name in names:
        crystals = F.softplus(F.linear(crystals, weights[name + ".weight"], weights[name + ".bias"]))
    return F.linear(crystals, weights["fc_out.weight"], weights["fc_out.bias"]), statistics


def _loss_of(network: CrystalGraphConvNet) -> Callable[[Weights, Batch], tuple[Tensor, Weights]]:
    layers, gaussians, hidden = len(network.convs), network.nbr_fea_len, len(network.fcs) + 1

    def loss(weights: Weights, batch: Batch) -> tuple[Tensor, Weights]:
        outputs, statistics = outputs_of(weights, batch, layers, gaussians, hidden)
        return F.mse_loss(outputs, batch.labels), statistics

    return loss


class StackedTraining:
    """The training of several networks, by stochastic gradient descent with momentum.

    Args:
        networks: Of one architecture, without dropout, on the crystals' device.
        crystals: What they learn from, labels normalised.
    """

    def __init__(self, networks: list[CrystalGraphConvNet], crystals: CrystalSet) -> None:
        self._crystals = crystals
        self._weights, self._buffers = stack_module_state(networks)
        self._weights = {name: value.detach() for name, value in self._weights.items()}
        self._velocities = {name: torch.zeros_like(value) for name, value in self._weights.items()}
        device = crystals.graphs.labels.device
        self._rates = torch.full((len(networks),), RATE, device=device)
        loss = _loss_of(networks[0])

        def gradients(weights: Weights, batch: Batch) -> tuple[Weights, tuple[Tensor, Weights]]:
            return grad_and_value(lambda inner: loss(inner, batch), has_aux=True)(weights)

        self._gradients = gradients
        self._shuffle = torch.Generator().manual_seed(0)

    def train_epoch(self) -> Tensor:
        """Pass over the shuffled set once, and return the mean loss of each network."""
        crystals, losses = self._crystals, []
        rows = crystals.rows[torch.randperm(len(crystals), generator=self._shuffle)]
        for batch in crystals.graphs.batches(rows, BATCH_SIZE):
            losses.append(self.step(batch))
        return torch.stack(losses).mean(0)

    @torch.no_grad()
    def step(self, batch: Batch) -> Tensor:
        """Take a step with a batch, and return the loss of each network."""
        found, (losses, statistics) = vmap(lambda weights: self._gradients(weights, batch))(self._weights)
        for name, weight in self._weights.items():
            velocity = self._velocities[name].mul_(MOMENTUM).add_(found[name])
            rates = self._rates.view(-1, *[1] * (weight.dim() - 1))
            weight.addcmul_(rates, velocity, value=-1)
        for name, value in statistics.items():
            self._buffers[name].lerp_(value, 0.1)
        return losses

    def gradient_error(self, network: CrystalGraphConvNet, which: int, batch: Batch) -> float:
        """Return the largest deviation of a network's gradients from the ordinary ones, relative to the largest.

        Args:
            network: Any of the architecture, in training mode.
            which: The network of which weights are taken.
            batch: What to compute them for.
        """
        weights = {name: value[which].clone().requires_grad_() for name, value in self._weights.items()}
        buffers = {name: value[which].clone() for name, value in self._buffers.items()}
        outputs = functional_call(network, (weights, buffers), (batch,))
        right = torch.autograd.grad(F.mse_loss(outputs, batch.labels), list(weights.values()))
        found, _ = vmap(lambda inner: self._gradients(inner, batch))(self._weights)
        largest = max(value.abs().max().item() for value in right)
        pairs = zip(weights, right, strict=True)
        return max((found[name][which] - value).abs().max().item() for name, value in pairs) / largest
