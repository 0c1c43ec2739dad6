"""Accuracy of sigmoid and softplus in the kernels, for all arguments."""

import pytest
import torch
import torch.nn.functional as F
from random_edges import random_edges

from dh_project.cgcnn_mp.network.kernels import numba_gate, torch_gate

EXTREMES = torch.tensor([50.0, 80, 90, 1e3, 1e4])
VALUES = torch.cat([torch.linspace(-30, 30, 401), EXTREMES, -EXTREMES])


@pytest.fixture(params=[numba_gate, torch_gate], ids=["numba", "torch"])
def evaluated(request):
    """Return message and slopes for all pairs of values, the same in double precision, and their magnitude."""
    size = len(VALUES)
    edges = random_edges(counts=(1,) * size, distances=1)
    edges.repeats.fill_(1)
    ones, zeros = torch.ones(2 * size), torch.zeros(2 * size)
    own = torch.cat([VALUES.expand(size, size), VALUES.unsqueeze(1).expand(size, size)], dim=1)
    other, bond = torch.zeros(size, 2 * size), torch.zeros(1, 2 * size)
    message = request.param.forward(own, other, bond, edges, ones, zeros)
    gradients = request.param.backward(
        torch.ones(size, size), own, other, bond, edges, ones, zeros, zeros, ones, None
    )
    strength, core = own.double().chunk(2, dim=1)
    sigmoid, softplus = strength.sigmoid(), F.softplus(core, threshold=50)
    right = sigmoid * softplus, sigmoid * (1 - sigmoid) * softplus, sigmoid * core.sigmoid()
    return (message, *gradients[0].chunk(2, dim=1)), right, softplus.clamp(min=1)


def test_there_is_no_overflow_and_no_large_error(evaluated):
    *pairs, size = evaluated
    for found, right in zip(*pairs, strict=True):
        torch.testing.assert_close(found / size, right / size, atol=1e-6, rtol=0)


def test_small_messages_are_right_too(evaluated):
    found, right = evaluated[0][0].double(), evaluated[1][0]
    small = (right > 1e-12) & (right < 1e-3)
    assert small.any()
    # an argument of 30 rounded to float32 moves its exponential by 2e-6
    torch.testing.assert_close(found[small], right[small], atol=0, rtol=4e-6)
