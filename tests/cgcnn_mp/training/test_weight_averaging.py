"""The moving average of the weights."""

import torch

from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.training.weight_averaging import WeightAverage

STEPS = 200


def walk(decay, steps=STEPS):
    """Return the average of the last bias, which grows by one in each step, and its expected value."""
    network = CrystalGraphConvNet(92, 41, 4, 1, 4)
    average = WeightAverage(network, decay)
    expected = network.fc_out.bias.item()
    for step in range(steps):
        with torch.no_grad():
            network.fc_out.bias += 1
        average.update(network)
        used = min(decay, (1 + step) / (10 + step))
        expected = used * expected + (1 - used) * network.fc_out.bias.item()
    return network, average, expected


def test_it_is_the_exponential_moving_average():
    _, average, expected = walk(0.9)
    torch.testing.assert_close(average.network.fc_out.bias.item(), expected, rtol=1e-5, atol=0)


def test_the_first_weights_are_soon_forgotten():
    network, average, _ = walk(0.9999)
    assert network.fc_out.bias - average.network.fc_out.bias < STEPS / 5


def test_running_statistics_are_averaged_too():
    network = CrystalGraphConvNet(92, 41, 4, 1, 4)
    average = WeightAverage(network, 0.5)
    network.convs[0].bn2.running_var += 1
    network.convs[0].bn2.num_batches_tracked += 7
    average.update(network)
    before, now = 1.0, 2.0
    found = average.network.convs[0].bn2
    torch.testing.assert_close(found.running_var, torch.full((4,), 0.1 * before + 0.9 * now))
    assert found.num_batches_tracked == 7


def test_it_resumes_from_its_state():
    network, average, _ = walk(0.99, steps=5)
    resumed = WeightAverage(CrystalGraphConvNet(92, 41, 4, 1, 4), 0.99)
    resumed.load_state_dict(average.state_dict())
    for some in (average, resumed):
        some.update(network)
    for name, weight in average.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name])
