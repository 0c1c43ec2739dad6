"""Padding has no effect, and recorded steps train like ordinary ones."""

import pytest
import torch
import torch.nn.functional as F
from operator_recorder import OperatorRecorder, WouldWait

from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, first_positions
from dh_project.cgcnn_mp.network.batch_norm import WeightedBatchNorm
from dh_project.cgcnn_mp.network.cuda_graphs import WARM_UPS, RecordedSteps, Sizes, padded_batch
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet

pytestmark = pytest.mark.slow

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

CRYSTALS, ELEMENTS, FEATURES = 40, 20, 9
OPTIMIZERS = {
    "SGD": lambda weights: torch.optim.SGD(weights, lr=0.01, momentum=0.9, fused=True),
    # a bias before a normalisation has no gradient but rounding errors, which a smaller eps would make steps of
    "AdamW": lambda weights: torch.optim.AdamW(weights, lr=0.01, eps=1e-3, weight_decay=0.1, fused=True),
}


@pytest.fixture(scope="module")
def graphs():
    generator = torch.Generator().manual_seed(0)

    def whole(low, high, count):
        return torch.randint(low, high, (count,), generator=generator)

    classes, distances = whole(1, 7, CRYSTALS), whole(1, 9, CRYSTALS)
    owners = torch.repeat_interleave(classes)
    edge_counts = whole(0, 7, len(owners))
    edge_owners = owners.repeat_interleave(edge_counts)
    edges = len(edge_owners)
    return CrystalGraphs(
        ids=[f"crystal-{i}" for i in range(CRYSTALS)],
        radius=8.0,
        max_num_nbr=12,
        element_features=torch.randn(ELEMENTS, FEATURES, generator=generator),
        elements=whole(0, ELEMENTS, len(owners)).to(torch.uint8),
        multiplicities=whole(1, 5, len(owners)).to(torch.uint8),
        neighbours=(torch.rand(edges, generator=generator) * classes[edge_owners]).to(torch.int16),
        shells=(torch.rand(edges, generator=generator) * distances[edge_owners]).to(torch.int16),
        repeats=whole(1, 4, edges).to(torch.uint8),
        distances=1.5 + 4 * torch.rand(int(distances.sum()), generator=generator),
        first_class=first_positions(classes),
        first_edge=first_positions(edge_counts),
        first_distance=first_positions(distances),
        labels=torch.randn(CRYSTALS, 1, generator=generator).double(),
    )


def test_a_padded_batch_of_one_atom_leaves_statistics_finite():
    norm = WeightedBatchNorm(3)
    norm(torch.ones(16, 3), torch.tensor([1.0] + 15 * [0.0]))
    assert norm.running_var.isfinite().all()


def make_network(device="cpu"):
    torch.manual_seed(1)
    return CrystalGraphConvNet(FEATURES, 41, atom_fea_len=8, n_conv=2, h_fea_len=6).to(device)


def step_of(network, optimizer, kernels="torch"):
    @using_kernels(kernels)  # the stand-in for the recording sees no others
    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        loss = F.mse_loss(network(batch), batch.labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def sizes_of(batch):
    return Sizes(len(batch.labels), len(batch.elements), len(batch.edges.repeats), len(batch.distances))


ROWS = torch.tensor([3, 0, 17, 17, 39])


@pytest.mark.parametrize("extra", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (13, 40, 7)])
def test_padding_changes_neither_loss_nor_gradients_nor_running_statistics(graphs, extra):
    batch = graphs.batch(ROWS)
    sizes = sizes_of(batch)
    padded = padded_batch(
        graphs, ROWS, Sizes(len(ROWS), *(a + b for a, b in zip(sizes[1:], extra, strict=True)))
    )
    networks = [make_network().double(), make_network().double()]
    for network, inputs in zip(networks, (batch, padded), strict=True):
        inputs = _in_double(inputs)
        F.mse_loss(network(inputs), inputs.labels).backward()
    for (name, right), found in zip(networks[0].named_parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(found.grad, right.grad, rtol=1e-9, atol=1e-12, msg=name)
    for (name, right), found in zip(networks[0].named_buffers(), networks[1].buffers(), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-12, msg=name)


def _in_double(batch):
    from dataclasses import fields, replace

    def doubled(holder):
        values = {field.name: getattr(holder, field.name) for field in fields(holder)}
        floats = {
            name: v for name, v in values.items() if isinstance(v, torch.Tensor) and v.is_floating_point()
        }
        return replace(holder, **{name: value.double() for name, value in floats.items()})

    return doubled(replace(batch, edges=doubled(batch.edges)))


def test_padding_changes_no_prediction(graphs):
    network = make_network().eval()
    batch = graphs.batch(ROWS)
    padded = padded_batch(graphs, ROWS, sizes_of(batch).padded())
    torch.testing.assert_close(network(padded), network(batch), rtol=1e-6, atol=1e-6)


def test_a_batch_of_exact_sizes_is_the_ordinary_one(graphs):
    batch = graphs.batch(ROWS)
    found = padded_batch(graphs, ROWS, sizes_of(batch))
    for part, right in ((found, batch), (found.edges, batch.edges)):
        for name, value in vars(right).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(getattr(part, name), value), name


def test_padding_belongs_to_no_class(graphs):
    padded = padded_batch(graphs, ROWS, sizes_of(graphs.batch(ROWS)).padded())
    edges = padded.edges
    assert edges.first[-1] < len(edges.repeats)
    assert edges.repeats[edges.first[-1] :].sum() == 0
    assert (edges.classes.diff() >= 0).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_recorded_steps_train_as_ordinary_steps_do(graphs, name):
    epochs = [torch.randperm(CRYSTALS, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]
    plain, recorded = make_network(), make_network()
    optimizers = [OPTIMIZERS[name](network.parameters()) for network in (plain, recorded)]
    step = step_of(plain, optimizers[0])

    def state():
        tensors = [value for one in optimizers[1].state.values() for value in one.values()]
        return [*recorded.state_dict().values(), *(value for value in tensors if value is not None)]

    recorder = OperatorRecorder(state)
    steps = RecordedSteps(graphs, step_of(recorded, optimizers[1]), optimizers[1], recorder=recorder)
    for epoch, rows in enumerate(epochs):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.01 / (epoch + 1)
        right = torch.stack([step(graphs.batch(part)) for part in rows.split(7)])
        found = torch.stack(list(steps.losses(rows, 7)))
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5)
    assert recorder.recorded >= 2  # of full batches, and of the last, smaller one
    for (name, right), found in zip(plain.state_dict().items(), recorded.state_dict().values(), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-5, msg=name)


def test_beyond_the_limit_steps_are_ordinary(graphs):
    network = make_network()
    optimizer = OPTIMIZERS["SGD"](network.parameters())
    recorder = OperatorRecorder(list)
    steps = RecordedSteps(graphs, step_of(network, optimizer), optimizer, limit=0, recorder=recorder)
    losses = [loss for _ in range(WARM_UPS + 1) for loss in steps.losses(ROWS, len(ROWS))]
    assert recorder.recorded == 0
    assert losses[0] > losses[-1]


def test_a_step_that_waits_for_the_device_is_found_out(graphs):
    network = make_network()
    optimizer = OPTIMIZERS["SGD"](network.parameters())
    step = step_of(network, optimizer)
    steps = RecordedSteps(
        graphs, lambda batch: step(batch) * float(step(batch)), optimizer, recorder=OperatorRecorder(list)
    )
    with pytest.raises(WouldWait):
        list(steps.losses(ROWS, len(ROWS)))


def test_an_optimizer_that_is_not_fused_is_refused(graphs):
    optimizer = torch.optim.SGD(make_network().parameters(), lr=0.01)
    with pytest.raises(ValueError, match="fused=True"):
        RecordedSteps(graphs, lambda batch: batch.labels, optimizer, recorder=OperatorRecorder(list))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100, 1000, 123_456])
def test_sizes_are_padded_by_an_eighth_or_a_little_more(size):
    padded = Sizes(256, size, size, size).padded()
    assert padded.holds(Sizes(256, size, size, size)) or size < 8
    assert size <= padded.edges <= size + size / 7 + 16


def test_a_batch_is_not_padded_to_more_than_twice_its_edges():
    assert not Sizes(256, 3000, 3000, 3000).holds(Sizes(256, 1000, 1000, 1000))


@pytest.fixture
def no_waiting():
    """Raise an error if an operator waits for the GPU."""
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")


@needs_gpu
def test_a_step_on_the_gpu_waits_for_nothing(graphs, no_waiting):
    on_gpu, network = graphs.to("cuda"), make_network("cuda")
    step = step_of(network, OPTIMIZERS["AdamW"](network.parameters()), "auto")
    batches = on_gpu.batches(torch.arange(CRYSTALS), 10)
    step(next(batches))
    no_waiting()
    for batch in batches:
        step(batch)


@needs_gpu
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_cuda_graphs_train_as_ordinary_steps_on_the_cpu_do(graphs, name, no_waiting):
    plain, recorded = make_network(), make_network("cuda")
    optimizers = [OPTIMIZERS[name](network.parameters()) for network in (plain, recorded)]
    step = step_of(plain, optimizers[0])
    steps = RecordedSteps(graphs.to("cuda"), step_of(recorded, optimizers[1], "auto"), optimizers[1])
    rows = torch.arange(CRYSTALS)
    for epoch in range(6):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.01 / (epoch + 1)
        right = torch.stack([step(graphs.batch(part)) for part in rows.split(8)])
        found = torch.stack(list(steps.losses(rows, 8)))
        torch.testing.assert_close(found.cpu(), right, rtol=1e-3, atol=1e-4)
