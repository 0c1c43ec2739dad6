"""Batches by index arithmetic, and fewer neighbours as a slice."""

import pytest
import torch
from random_graphs import random_graphs, unfolded

from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, CrystalSet


@pytest.fixture
def graphs() -> CrystalGraphs:
    """Return three crystals with 1, 3 and 2 classes of atoms. Each class has an edge of 2 and one of 3 neighbours."""
    return CrystalGraphs(
        ids=["a", "b", "c"],
        radius=8.0,
        max_num_nbr=5,
        element_features=torch.eye(6),
        elements=torch.arange(6, dtype=torch.uint8),
        multiplicities=torch.tensor([2, 1, 1, 4, 1, 1], dtype=torch.uint8),
        neighbours=torch.tensor([0, 0, 1, 2, 0, 2, 0, 1, 1, 1, 0, 0], dtype=torch.uint8),
        shells=torch.tensor([0, 1, 0, 1, 0, 2, 1, 2, 0, 1, 0, 1], dtype=torch.uint8),
        repeats=torch.tensor([2, 3] * 6, dtype=torch.uint8),
        distances=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        first_class=torch.tensor([0, 1, 4, 6]),
        first_edge=torch.arange(0, 14, 2),
        first_distance=torch.tensor([0, 2, 5, 7]),
        labels=torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64),
    )


def test_a_batch_holds_its_crystals_in_the_order_asked_for(graphs):
    batch = graphs.batch(torch.tensor([2, 0]))
    assert batch.elements.tolist() == [4, 5, 0]
    assert batch.crystals.tolist() == [0, 0, 1]
    assert batch.atom_counts.tolist() == [2, 2]
    assert batch.distances.tolist() == [6.0, 7.0, 1.0, 2.0]
    assert batch.labels.tolist() == [[3.0], [1.0]]


def test_edges_of_a_batch_stay_within_their_crystal(graphs):
    edges = graphs.batch(torch.tensor([2, 0])).edges
    assert edges.first.tolist() == [0, 2, 4, 6]
    assert edges.classes.tolist() == [0, 0, 1, 1, 2, 2]
    assert edges.neighbours.tolist() == [1, 1, 0, 0, 2, 2]
    assert edges.shells.tolist() == [0, 1, 0, 1, 2, 3]
    assert edges.multiplicities.tolist() == [1, 1, 2]


def test_the_weight_of_an_edge_is_its_number_of_bonds(graphs):
    edges = graphs.batch(torch.tensor([0])).edges
    assert edges.weights.tolist() == [4, 6]
    assert edges.class_weights.tolist() == edges.neighbour_weights.tolist() == [10]
    assert edges.shell_weights.tolist() == [4, 6]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_fewer_neighbours_are_the_nearest_ones(count):
    graphs = random_graphs(20, neighbours=6)
    rows = torch.arange(20)
    _, _, all_distances, _ = unfolded(graphs.batch(rows))
    _, _, distances, _ = unfolded(graphs.nearest(count, 8.0).batch(rows))
    assert torch.equal(distances, all_distances[:, :count])


def test_a_smaller_radius_leaves_out_what_is_farther(graphs):
    batch = graphs.nearest(5, 4.5).batch(torch.tensor([1]))
    assert batch.edges.first.tolist() == [
        0,
        2,
        3,
        4,
    ]  # the second and the third class each have an edge that is too long
    assert batch.distances.tolist() == [3.0, 4.0]


def test_crystals_with_an_isolated_atom_are_listed(graphs):
    assert graphs.nearest(5, 8.0).isolated() == []
    assert graphs.nearest(5, 3.5).isolated() == [1, 2]


def test_distances_that_no_edge_has_are_dropped(graphs):
    assert graphs.nearest(2, 8.0).distances.tolist() == [1.0, 3.0, 4.0, 6.0]


def test_atoms_are_counted_with_their_multiplicity(graphs):
    assert graphs.atom_counts.tolist() == [2, 6, 2]


def test_a_set_knows_its_ids_and_labels(graphs):
    crystals = CrystalSet(graphs, torch.tensor([2, 1]))
    assert crystals.ids == ["c", "b"]
    assert crystals.labels.tolist() == [[3.0], [2.0]]


def test_batches_cover_a_set_once(graphs):
    crystals = CrystalSet(graphs, torch.arange(3))
    labels = [
        label for batch in crystals.batches(2, torch.Generator().manual_seed(1)) for label in batch.labels
    ]
    assert sorted(map(float, labels)) == [1.0, 2.0, 3.0]


def test_the_generator_alone_decides_the_order(graphs):
    crystals = CrystalSet(graphs, torch.arange(3))
    orders = [
        [batch.labels.tolist() for batch in crystals.batches(1, torch.Generator().manual_seed(5))]
        for _ in range(2)
    ]
    assert orders[0] == orders[1]
