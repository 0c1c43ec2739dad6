"""The gated sum in torch and in compiled loops: correct, differentiable, and equal."""

import copy

import pytest
import torch
import torch.nn.functional as F
from random_edges import random_edges, random_inputs

from dh_project.cgcnn_mp.network.kernels import gated_sum
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels

pytestmark = pytest.mark.parametrize("training", [True, False])
CPU_KERNELS = ["torch", "numba"]
WIDTHS = [1, 3, 16, 20, 64, 128]


def bond_by_bond(own, other, bond, edges, norm):
    """Compute the gated sum with every bond of every atom written out, as in the original code."""
    atoms = torch.repeat_interleave(edges.multiplicities.int())
    sums = own.new_zeros(len(own), own.shape[1] // 2)
    rows, owners = [], []
    for number, atom in enumerate(atoms.tolist()):
        for e in range(int(edges.first[atom]), int(edges.first[atom + 1])):
            row = own[atom] + other[edges.neighbours[e]] + bond[edges.shells[e]]
            rows += int(edges.repeats[e]) * [row]
            owners += int(edges.repeats[e]) * [number]
    strength, core = torch.nn.BatchNorm1d.forward(norm, torch.stack(rows)).chunk(2, dim=1)
    messages = torch.sigmoid(strength) * F.softplus(core)
    a_atom = own.new_zeros(len(atoms), messages.shape[1]).index_add(0, torch.tensor(owners), messages)
    for number, atom in enumerate(atoms.tolist()):
        sums[atom] = a_atom[number]
    return sums


def computed(kernels, function, edges, width, training, dtype=torch.float32, **inputs):
    """Return output, gradients and running statistics."""
    shares, norm = random_inputs(edges, width, dtype, **inputs)
    norm.train(training)
    with using_kernels(kernels):
        output = function(*shares, edges, norm)
        signs = torch.linspace(-1, 1, output.numel(), dtype=dtype).view_as(output)
        # the weight of a class is its multiplicity; that of padding is 0
        (output * signs * edges.multiplicities.unsqueeze(1)).sum().backward()
    gradients = [value.grad for value in (*shares, norm.weight, norm.bias)]
    return output.detach(), *gradients, norm.running_mean, norm.running_var, norm.num_batches_tracked


def assert_close(found, right):
    for value, expected in zip(found, right, strict=True):
        size = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(value, expected, atol=1e-5 * size, rtol=0)


def test_torch_kernels_pass_gradcheck(training):
    edges = random_edges()
    shares, norm = random_inputs(edges, 3, torch.float64)
    norm.train(training)

    def function(own, other, bond, weight, bias):
        moved = copy.deepcopy(norm)  # gradcheck calls the function many times, so statistics must not change
        del moved.weight, moved.bias
        moved.weight, moved.bias = weight, bias
        return gated_sum(own, other, bond, edges, moved)

    with using_kernels("torch"):
        weight, bias = (value.detach().clone().requires_grad_() for value in (norm.weight, norm.bias))
        assert torch.autograd.gradcheck(function, (*shares, weight, bias))


@pytest.mark.parametrize("kernels", CPU_KERNELS)
def test_equals_every_bond_written_out(kernels, training):
    edges = random_edges()
    found = computed(kernels, gated_sum, edges, 5, training)
    right = computed("torch", bond_by_bond, edges, 5, training)
    used = edges.multiplicities > 0
    torch.testing.assert_close(found[0][used], right[0][used], atol=1e-5, rtol=1e-5)
    assert_close(found[1:], right[1:])


@pytest.mark.parametrize("width", WIDTHS)
def test_compiled_loops_equal_torch(width, training):
    edges = random_edges(counts=(7, 0, 13, 1, 12, 12, 3), distances=11)
    found = computed("numba", gated_sum, edges, width, training)
    right = computed("torch", gated_sum, edges, width, training)
    assert_close(found, right)


@pytest.mark.parametrize("kernels", CPU_KERNELS)
def test_equal_calls_are_equal_in_every_bit(kernels, training):
    first, second = (computed(kernels, gated_sum, random_edges(), 20, training) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


@pytest.mark.parametrize("kernels", CPU_KERNELS)
def test_classes_without_edges_take_in_nothing(kernels, training):
    edges = random_edges()
    output, d_own, *_ = computed(kernels, gated_sum, edges, 4, training)
    lonely = edges.first.diff() == 0
    assert lonely.any()
    assert not output[lonely].any()
    assert not d_own[lonely].any()


@pytest.mark.parametrize("kernels", CPU_KERNELS)
def test_nan_shows(kernels, training):
    edges = random_edges()
    shares, norm = random_inputs(edges, 3)
    norm.train(training)
    with torch.no_grad():
        shares[0][2] = torch.nan
    with using_kernels(kernels):
        output = gated_sum(*shares, edges, norm)
        output.sum().backward()
    assert output[2].isnan().all()
    assert shares[0].grad[2].isnan().all()


@pytest.mark.parametrize("kernels", CPU_KERNELS)
def test_statistics_stand_a_large_mean(kernels, training):
    edges = random_edges()
    variances = []
    for dtype, name in ((torch.float32, kernels), (torch.float64, "torch")):
        shares, norm = random_inputs(edges, 4)
        with torch.no_grad(), using_kernels(name):
            shares[0] += 1000
            gated_sum(*(share.to(dtype) for share in shares), edges, norm.to(dtype).train(training))
        variances.append(norm.running_var.double())
    torch.testing.assert_close(*variances, rtol=1e-4, atol=0)


@pytest.mark.parametrize("kernels", CPU_KERNELS)
@pytest.mark.parametrize("counts", [(0, 0), (1,), (0, 1)])
def test_next_to_no_edges(kernels, training, counts):
    edges = random_edges(counts=(*counts, 0), distances=2)
    shares, norm = random_inputs(edges, 3)
    norm.train(training)
    with using_kernels(kernels):
        output = gated_sum(*shares, edges, norm)
        output.sum().backward()
    assert output.isfinite().all()
    assert all(share.grad.isfinite().all() for share in shares)
