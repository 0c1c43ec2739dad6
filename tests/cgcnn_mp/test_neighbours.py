"""The graph of one crystal: the original's distances, a stated order, and reasons for having none."""

import numpy as np
import pytest
from conftest import CRYSTALS
from pymatgen.core import DummySpecies, Lattice, Structure

from dh_project.cgcnn_mp.crystals import Cell, ShippedSource
from dh_project.cgcnn_mp.neighbours import SHELL_GAP, Graph, UnusableCrystal, build_graph

SAMPLE = list(ShippedSource().structures())[::400]


def graph_of(structure: Structure, radius: float = 8.0, count: int = 16) -> Graph:
    numbers = np.array(structure.atomic_numbers, dtype=np.uint8)
    return build_graph(Cell(structure.lattice.matrix, numbers, structure.frac_coords), radius, count)


def cif_of(structure: Structure) -> bytes:
    return structure.to(fmt="cif").encode()


@pytest.mark.parametrize(("identifier", "cell"), SAMPLE, ids=[identifier for identifier, _ in SAMPLE])
def test_distances_are_those_of_the_original_cgcnn(identifier: str, cell: Cell):
    structure = Structure(cell.lattice, cell.atomic_numbers.tolist(), cell.fractional_coordinates)
    neighbours = structure.get_all_neighbors(8.0)
    expected = [sorted(neighbour.nn_distance for neighbour in row)[:16] for row in neighbours]
    np.testing.assert_allclose(build_graph(cell, 8.0, 16).distances, expected, atol=SHELL_GAP)


@pytest.mark.parametrize(("identifier", "cell"), SAMPLE, ids=[identifier for identifier, _ in SAMPLE])
def test_each_neighbour_lies_at_its_distance(identifier: str, cell: Cell):
    structure = Structure(cell.lattice, cell.atomic_numbers.tolist(), cell.fractional_coordinates)
    graph = build_graph(cell, 8.0, 16)
    for row, near in enumerate(structure.get_all_neighbors(8.0)):
        bonds = {(neighbour.index, round(neighbour.nn_distance, 4)) for neighbour in near}
        for other, distance in zip(
            graph.neighbours[row].tolist(), graph.distances[row].tolist(), strict=True
        ):
            assert any((other, round(distance + shift, 4)) in bonds for shift in (-1e-5, 0, 1e-5))


def test_a_smaller_count_is_a_slice_of_a_larger_one():
    structure = CRYSTALS["NaCl"]
    np.testing.assert_array_equal(
        graph_of(structure, count=6).distances, graph_of(structure).distances[:, :6]
    )


def test_the_order_of_atoms_changes_nothing_but_indices():
    """The kinds of neighbours that are kept of a shell that the count cuts are the same."""
    for _, cell in SAMPLE:
        order = np.random.default_rng(0).permutation(len(cell.atomic_numbers))
        shuffled = cell._replace(
            atomic_numbers=cell.atomic_numbers[order],
            fractional_coordinates=cell.fractional_coordinates[order],
        )
        graph, other = build_graph(cell, 8.0, 16), build_graph(shuffled, 8.0, 16)
        np.testing.assert_allclose(graph.distances[order], other.distances, atol=SHELL_GAP)
        np.testing.assert_array_equal(
            graph.elements[graph.neighbours[order]], other.elements[other.neighbours]
        )


def test_lighter_neighbours_of_one_shell_come_first():
    """A plane in which hydrogen has two chlorine and two fluorine atoms at one distance."""
    square = Structure(Lattice.tetragonal(3.0, 7.9), ["H", "Cl", "F"], [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    graph = graph_of(square, radius=1.6)
    assert graph.elements[graph.neighbours[0, :4]].tolist() == [8, 8, 16, 16]


def test_missing_neighbours_are_at_infinity():
    graph = graph_of(Structure(Lattice.cubic(5.0), ["Po"], [[0, 0, 0]]), radius=5.1)
    assert np.isfinite(graph.distances[0]).tolist() == [True] * 6 + [False] * 10
    assert graph.neighbours[0, 6:].tolist() == [0] * 10


def test_a_cif_gives_the_graph_of_pymatgens_structure(tmp_path):
    cif = cif_of(CRYSTALS["KBr"])
    (tmp_path / "KBr.cif").write_bytes(cif)
    for ours, expected in zip(
        build_graph(cif, 8.0, 16), graph_of(Structure.from_file(tmp_path / "KBr.cif")), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


HALF = Structure(Lattice.cubic(3.0), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])
VACANT = Structure(Lattice.cubic(3.0), [{"Fe": 0.5}], [[0, 0, 0]])
LONELY = Structure(Lattice.cubic(30.0), ["Xe"], [[0, 0, 0]])
DUMMY = Structure(Lattice.cubic(3.0), [DummySpecies("X")], [[0, 0, 0]])


@pytest.mark.parametrize(
    ("cif", "reason"),
    [
        (b"\x00\xffgarbage", "unparsable CIF"),
        (b"", "unparsable CIF"),
        (cif_of(HALF), "partial occupancy"),
        (cif_of(VACANT), "partial occupancy"),
        (cif_of(LONELY), "isolated atom: Xe0? has no neighbour within 8 Å"),
        (cif_of(DUMMY), "no element"),
    ],
)
def test_a_crystal_without_a_graph_says_why(cif: bytes, reason: str, recwarn: pytest.WarningsRecorder):
    with pytest.raises(UnusableCrystal, match=reason) as caught:
        build_graph(cif, 8.0, 16)
    assert "\n" not in str(caught.value)
    assert not recwarn.list
