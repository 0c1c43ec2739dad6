"""Graphs folded by symmetry: independent of the description of the crystal, and equivalent to unfolded ones."""

import numpy as np
import pytest
from crystal_cells import (
    SAMPLE,
    SAMPLE_IDS,
    SHIPPED,
    cell_of,
    features,
    glass,
    neighbour_lists,
    pooled,
    split,
    structure_of,
)
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from small_crystals import CRYSTALS

from dh_project.cgcnn_mp.crystals.sources import Cell
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays
from dh_project.cgcnn_mp.graphs.neighbours import SHELL_GAP
from dh_project.cgcnn_mp.graphs.original_graphs import original_graph
from dh_project.cgcnn_mp.graphs.symmetry import WIDEST_SHELL, find_shells, folded_graphs

CELLS = pytest.mark.parametrize("cell", [cell for _, cell in SAMPLE], ids=SAMPLE_IDS)


def graph_of(cell: Cell, radius: float = 8.0, count: int = 16, quotient: bool = True) -> GraphArrays:
    graph, (reasons, _) = folded_graphs([cell], radius, count, quotient)
    assert reasons == [""]
    return graph


def assert_same(one: GraphArrays, other: GraphArrays, times: float = 1) -> None:
    """Compare two graphs array by array. The multiplicities of the second are a multiple of those of the first."""
    for name in one._fields:
        left, right = getattr(one, name), getattr(other, name)
        if name == "distances":
            np.testing.assert_allclose(left, right, atol=1e-6, rtol=0)
        elif name == "multiplicities":
            np.testing.assert_array_equal(left * times, right)
        else:
            np.testing.assert_array_equal(left, right)


@CELLS
def test_the_order_of_atoms_changes_nothing(cell: Cell):
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(cell.atomic_numbers))
        shuffled = cell._replace(
            atomic_numbers=cell.atomic_numbers[order],
            fractional_coordinates=cell.fractional_coordinates[order],
        )
        assert_same(graph_of(cell), graph_of(shuffled))


@CELLS
def test_the_origin_changes_nothing(cell: Cell):
    moved = cell._replace(
        fractional_coordinates=cell.fractional_coordinates + np.array([0.123456, -1.654321, 7.3])
    )
    assert_same(graph_of(cell), graph_of(moved))


@CELLS
def test_a_rotation_changes_nothing(cell: Cell):
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    assert_same(graph_of(cell), graph_of(cell._replace(lattice=cell.lattice @ turn)))


@CELLS
@pytest.mark.parametrize(
    "change",
    [
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[1, 1, 0], [0, 1, 0], [0, -2, 1]],
        [[1, 0, 0], [3, 1, 0], [1, 2, 1]],
    ],
)
def test_the_choice_of_lattice_vectors_changes_nothing(cell: Cell, change: list[list[int]]):
    other = cell._replace(
        lattice=np.array(change) @ cell.lattice,
        fractional_coordinates=cell.fractional_coordinates @ np.linalg.inv(change),
    )
    assert_same(graph_of(cell), graph_of(other))


@CELLS
@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 2, 3)])
def test_a_supercell_only_multiplies_the_classes(cell: Cell, shape: tuple[int, int, int]):
    larger = cell_of(structure_of(cell).make_supercell(np.diag(shape), in_place=False))
    assert_same(graph_of(cell), graph_of(larger), times=np.prod(shape))


@pytest.mark.parametrize("name", ["NaCl", "LiBr"])
def test_primitive_and_conventional_cell_give_the_same_classes(name: str):
    primitive = CRYSTALS[name]
    conventional = SpacegroupAnalyzer(primitive).get_conventional_standard_structure()
    assert len(conventional) == 4 * len(primitive)
    assert_same(graph_of(cell_of(primitive)), graph_of(cell_of(conventional)), times=4)


@CELLS
@pytest.mark.parametrize("count", [1, 5, 12, 16])
def test_folding_changes_nothing_that_a_network_sees(cell: Cell, count: int):
    """For every count, also if it cuts a shell."""
    folded, unfolded = graph_of(cell), graph_of(cell, quotient=False)
    np.testing.assert_allclose(pooled(folded, count), pooled(unfolded, count), atol=1e-12)


@CELLS
def test_equivalent_atoms_stay_equal_at_every_smaller_count(cell: Cell):
    folded, unfolded = graph_of(cell), graph_of(cell, quotient=False)
    for count in range(1, 17):
        assert len(np.unique(features(unfolded, count).round(10), axis=0)) <= len(folded.elements)


def test_if_no_shell_is_cut_the_features_equal_those_in_the_originals_graph():
    """In rock salt the first shells have 6, 12 and 8 neighbours."""
    cell = cell_of(CRYSTALS["KF"])
    for count in (6, 18, 26):
        ours, original = graph_of(cell, count=26), original_graph(cell, 8.0, 26)
        np.testing.assert_allclose(pooled(ours, count), pooled(original, count), atol=1e-5)


def test_space_group_orbits_become_classes():
    folded = graph_of(cell_of(SpacegroupAnalyzer(CRYSTALS["NaCl"]).get_conventional_standard_structure()))
    assert folded.elements.tolist() == [10, 16]
    assert folded.multiplicities.tolist() == [4, 4]


def test_runs_of_equal_neighbours_are_one_edge():
    folded = graph_of(cell_of(CRYSTALS["NaCl"]), count=16)
    assert folded.repeats.tolist() == [6, 10, 6, 10]
    assert folded.shells.tolist() == [0, 1, 0, 1]
    assert folded.neighbours.tolist() == [1, 0, 0, 1]


def test_unfolded_every_atom_is_a_class_and_every_neighbour_an_edge():
    unfolded = graph_of(cell_of(CRYSTALS["NaCl"]), quotient=False)
    assert unfolded.class_counts.tolist() == [2]
    assert unfolded.edge_counts.tolist() == [16, 16]
    assert set(unfolded.repeats) == {1}


def shells_of(*gaps):
    """Return the shells of one atom's neighbours, whose distances have these gaps, in units of the shell's gap."""
    distances = 2.0 + SHELL_GAP * np.cumsum([0.0, *gaps])
    return find_shells(np.array([0, len(distances)]), distances)


def test_a_gap_below_the_tolerance_joins_two_distances_and_one_above_parts_them():
    assert shells_of(0.9)[0].tolist() == [0, 0]
    assert shells_of(1.1)[0].tolist() == [0, 1]


def test_no_shell_is_wider_than_the_widest():
    widest = WIDEST_SHELL / SHELL_GAP
    steps = round(widest / 0.5)
    shells, means = shells_of(*[0.5] * (2 * steps + 2))
    assert np.bincount(shells)[0] in (steps, steps + 1)
    assert shells.max() >= 1
    assert np.diff(means).min() > 0


def test_lighter_neighbours_of_one_shell_come_first():
    """In a plane, hydrogen has two chlorine and two fluorine atoms at the same distance."""
    square = Structure(Lattice.tetragonal(3.0, 7.9), ["H", "Cl", "F"], [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    graph = graph_of(cell_of(square), radius=1.6)
    assert [graph.elements[near] for near, _ in neighbour_lists(graph, 4)[0]] == [8, 8, 16, 16]


def test_missing_neighbours_are_left_out():
    graph = graph_of(Cell(np.eye(3) * 5.0, np.array([84], np.uint8), np.zeros((1, 3))), radius=5.1)
    assert graph.repeats.tolist() == [6]
    assert graph.distances.tolist() == [5.0]


@pytest.mark.parametrize("number", range(1, 119))
def test_every_element_has_a_graph(number: int):
    graph = graph_of(Cell(np.eye(3) * 3.0, np.array([number], np.uint8), np.zeros((1, 3))))
    assert graph.elements.tolist() == [number - 1]


def test_distances_ascend_and_all_are_used():
    for graph in split(folded_graphs([cell for _, cell in SHIPPED[::40]], 8.0, 12)[0]):
        assert (np.diff(graph.distances) > 0).all()
        assert np.unique(graph.shells).tolist() == list(range(len(graph.distances)))


def test_a_glass_of_two_hundred_atoms_keeps_them_apart_and_its_distances_true():
    cell = glass(200)
    graph = graph_of(cell)
    assert graph.class_counts.tolist() == [200]
    centres, _, _, distances = structure_of(cell).get_neighbor_list(8.0)
    expected = [np.sort(distances[centres == atom])[:16] for atom in range(200)]
    found = np.array([[away for _, away in row] for row in neighbour_lists(graph, 16)])
    for row in expected:
        assert np.abs(found - row).max(axis=1).min() < WIDEST_SHELL


def test_noise_below_the_gap_changes_no_class():
    for _, cell in SAMPLE[:5]:
        noise = np.random.default_rng(0).normal(
            scale=SHELL_GAP / 1000, size=cell.fractional_coordinates.shape
        )
        noisy = cell._replace(fractional_coordinates=cell.fractional_coordinates + noise)
        np.testing.assert_array_equal(graph_of(cell).multiplicities, graph_of(noisy).multiplicities)


def test_graphs_of_many_crystals_are_those_of_each():
    cells = [cell for _, cell in SAMPLE]
    for one, cell in zip(split(folded_graphs(cells, 8.0, 16)[0]), cells, strict=True):
        for left, right in zip(one, graph_of(cell), strict=True):
            np.testing.assert_array_equal(left, right)
