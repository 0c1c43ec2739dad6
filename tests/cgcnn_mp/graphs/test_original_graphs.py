"""The original CGCNN's graphs: its neighbours, in its order."""

import numpy as np
import pytest
from crystal_cells import SAMPLE, SAMPLE_IDS, structure_of

from dh_project.cgcnn_mp.crystals.sources import Cell
from dh_project.cgcnn_mp.graphs.original_graphs import original_graph, original_graphs


@pytest.mark.parametrize("cell", [cell for _, cell in SAMPLE], ids=SAMPLE_IDS)
def test_neighbours_and_distances_are_the_originals_to_the_last_bit(cell: Cell):
    """The code below is that of ``CIFData.__getitem__`` in txie-93/cgcnn."""
    all_nbrs = structure_of(cell).get_all_neighbors(8.0, include_index=True)
    all_nbrs = [sorted(nbrs, key=lambda x: x[1]) for nbrs in all_nbrs]
    nbr_fea_idx = [[x[2] for x in nbr[:12]] for nbr in all_nbrs]
    nbr_fea = [[x[1] for x in nbr[:12]] for nbr in all_nbrs]

    graph = original_graph(cell, 8.0, 12)
    np.testing.assert_array_equal(graph.elements + 1, cell.atomic_numbers)
    np.testing.assert_array_equal(graph.neighbours.reshape(-1, 12), nbr_fea_idx)
    np.testing.assert_array_equal(graph.distances[graph.shells].reshape(-1, 12), np.float32(nbr_fea))


@pytest.mark.parametrize("length", [7.0, 9.0])
def test_missing_neighbours_are_filled_up_as_in_the_original(length: float):
    """The code below is that of ``CIFData.__getitem__`` in txie-93/cgcnn."""
    cell = Cell(
        np.eye(3) * length, np.array([8, 1, 1], np.uint8), np.array([[0, 0, 0], [0, 0.1, 0], [0, 0, 0.12]])
    )
    all_nbrs = structure_of(cell).get_all_neighbors(8.0, include_index=True)
    all_nbrs = [sorted(nbrs, key=lambda x: x[1]) for nbrs in all_nbrs]
    nbr_fea_idx, nbr_fea = [], []
    for nbr in all_nbrs:
        nbr_fea_idx.append([x[2] for x in nbr[:40]] + [0] * (40 - len(nbr)))
        nbr_fea.append([x[1] for x in nbr[:40]] + [8.0 + 1.0] * (40 - len(nbr)))

    graph = original_graph(cell, 8.0, 40, padded=True)
    np.testing.assert_array_equal(graph.neighbours.reshape(-1, 40), nbr_fea_idx)
    np.testing.assert_array_equal(graph.distances[graph.shells].reshape(-1, 40), np.float32(nbr_fea))


def test_missing_neighbours_are_left_out_and_an_isolated_atom_is_a_reason():
    simple = Cell(np.eye(3) * 5.0, np.array([84], np.uint8), np.zeros((1, 3)))
    assert original_graph(simple, 5.1, 12).edge_counts.tolist() == [6]
    graphs, (reasons, _) = original_graphs([simple, b"garbage"], 4.9, 12)
    assert graphs.class_counts.tolist() == [0, 0]
    assert reasons[0] == "isolated atom: Po has no neighbour within 4.9 Å"
    assert reasons[1].startswith("unparsable CIF")
