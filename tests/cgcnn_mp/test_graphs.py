"""Batches by index arithmetic."""

from dataclasses import replace

import pytest
import torch

from dh_project.cgcnn_mp.graphs import CrystalGraphs, CrystalSet


@pytest.fixture
def graphs() -> CrystalGraphs:
    """Three crystals of 1, 3 and 2 atoms, 2 neighbours each."""
    return CrystalGraphs(
        ids=["a", "b", "c"],
        radius=8.0,
        element_features=torch.eye(6),
        elements=torch.arange(6, dtype=torch.uint8),
        neighbours=torch.tensor([[0, 0], [1, 2], [0, 2], [0, 1], [1, 1], [0, 0]], dtype=torch.int16),
        distances=torch.arange(12.0).reshape(6, 2),
        first_atom=torch.tensor([0, 1, 4, 6]),
        labels=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64),
        fewest_neighbours=2,
    )


def test_a_batch_holds_its_crystals_in_the_order_asked_for(graphs: CrystalGraphs):
    batch = graphs.batch(torch.tensor([2, 0]), max_num_nbr=2)
    assert batch.elements.tolist() == [4, 5, 0]
    assert batch.crystals.tolist() == [0, 0, 1]
    assert batch.atom_counts.tolist() == [2, 1]
    assert batch.labels.tolist() == [[3.0], [1.0]]


def test_neighbours_of_a_batch_stay_within_their_crystal(graphs: CrystalGraphs):
    batch = graphs.batch(torch.tensor([0, 1, 2]), max_num_nbr=2)
    assert torch.equal(batch.crystals[batch.neighbours], batch.crystals[:, None].expand(-1, 2))
    assert batch.neighbours.tolist() == [[0, 0], [2, 3], [1, 3], [1, 2], [5, 5], [4, 4]]


def test_fewer_neighbours_are_the_nearest_ones(graphs: CrystalGraphs):
    assert graphs.batch(torch.tensor([1]), max_num_nbr=1).distances.tolist() == [[2.0], [4.0], [6.0]]


def test_a_set_knows_its_ids_and_labels(graphs: CrystalGraphs):
    crystals = CrystalSet(graphs, torch.tensor([2, 1]))
    assert crystals.ids == ["c", "b"]
    assert crystals.labels.tolist() == [3.0, 2.0]


def test_batches_cover_a_set_once(graphs: CrystalGraphs):
    crystals = CrystalSet(graphs, torch.arange(3), max_num_nbr=2)
    labels = [
        label for batch in crystals.batches(2, torch.Generator().manual_seed(1)) for label in batch.labels
    ]
    assert sorted(map(float, labels)) == [1.0, 2.0, 3.0]


def test_the_generator_alone_decides_the_order(graphs: CrystalGraphs):
    crystals = CrystalSet(graphs, torch.arange(3), max_num_nbr=2)
    orders = [
        [batch.labels.tolist() for batch in crystals.batches(1, torch.Generator().manual_seed(5))]
        for _ in range(2)
    ]
    assert orders[0] == orders[1]


def test_a_batch_is_complete_where_every_atom_has_so_many_neighbours(graphs: CrystalGraphs):
    short = replace(graphs, fewest_neighbours=1)
    rows = torch.tensor([0, 1])
    assert [short.batch(rows, count).complete for count in (1, 2)] == [True, False]
