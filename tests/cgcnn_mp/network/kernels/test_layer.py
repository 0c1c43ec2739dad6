"""Bond terms and the residual: compiled loops agree with torch."""

import copy

import pytest
import torch
import torch.nn.functional as F

from dh_project.cgcnn_mp.network.batch_norm import WeightedBatchNorm
from dh_project.cgcnn_mp.network.kernels import Bonds, expand_distances, residual
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels

WIDTHS = [1, 3, 16, 20, 64, 128]


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_close(found, right):
    for value, expected in zip(found, right, strict=True):
        size = max(1.0, float(expected.detach().abs().max()))
        torch.testing.assert_close(value, expected, atol=1e-5 * size, rtol=0)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("gaussians", [3, 10, 11, 41])
def test_bond_shares_are_the_expansion_times_the_matrix(width, gaussians):
    reach = 0.2 * (gaussians - 1)
    distances = torch.cat([torch.linspace(0, reach, 53), torch.tensor([reach + 0.5, 60.0])])
    weight = drawn(width, gaussians).requires_grad_()
    gradient = drawn(len(distances), width, seed=1)
    found = Bonds(distances, weight.shape[1]).times(weight)
    right = expand_distances(distances.double(), gaussians) @ weight.double().t()
    gradients = [torch.autograd.grad(rows, weight, gradient.to(rows.dtype))[0] for rows in (found, right)]
    assert_close([found, gradients[0]], [right.float(), gradients[1]])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [1.0, 50.0])
def test_the_residual_is_softplus_after_batch_normalisation(width, training, size):
    norm = WeightedBatchNorm(width)
    with torch.no_grad():
        norm.weight.copy_(drawn(width) * size)
        norm.bias.copy_(drawn(width, seed=1))
    twin = copy.deepcopy(norm).double()
    weights = torch.randint(0, 4, (150,), generator=torch.Generator().manual_seed(0)).float()
    atoms, messages, gradient = (drawn(150, width, seed=seed) for seed in (2, 3, 4))
    messages += 10
    results = []
    for module, cast in ((norm, torch.Tensor.float), (twin, torch.Tensor.double)):
        module.train(training)
        leaves = [cast(value).clone().requires_grad_() for value in (atoms, messages)]
        if module is norm:
            output = residual(*leaves, weights, module)
        else:
            output = F.softplus(leaves[0] + module(leaves[1], cast(weights)))
        gradients = torch.autograd.grad(output, [*leaves, module.weight, module.bias], cast(gradient))
        results.append([output, *gradients, module.running_mean, module.running_var])
    assert_close(results[0], [value.float() for value in results[1]])


@pytest.mark.parametrize("rows", [2, 5, 17, 40])
def test_statistics_keep_their_digits_if_the_mean_is_large(rows):
    norm = WeightedBatchNorm(3, momentum=1.0)
    messages = 1000 + drawn(rows, 3)
    residual(drawn(rows, 3), messages, torch.ones(rows), norm)
    torch.testing.assert_close(norm.running_var, messages.double().var(0).float(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_nan_shows(training):
    norm = WeightedBatchNorm(3).train(training)
    atoms, messages = drawn(5, 3), drawn(5, 3)
    messages[2] = torch.nan
    assert residual(atoms, messages, torch.ones(5), norm)[2].isnan().all()


@pytest.mark.parametrize("rows", [0, 1])
def test_a_batch_without_statistics_uses_the_running_ones(rows):
    norm = WeightedBatchNorm(3)
    atoms, messages = drawn(rows, 3), drawn(rows, 3, seed=1)
    found = residual(atoms, messages, torch.ones(rows), norm)
    torch.testing.assert_close(found, F.softplus(atoms + messages / (1 + norm.eps) ** 0.5))


def test_other_kernels_can_be_asked_for():
    norm = WeightedBatchNorm(3)
    atoms, messages = drawn(5, 3), drawn(5, 3, seed=1)
    with using_kernels("torch"):
        output = residual(atoms, messages, torch.ones(5), norm)
    assert torch.equal(output, F.softplus(atoms + copy.deepcopy(norm)(messages, torch.ones(5))))
