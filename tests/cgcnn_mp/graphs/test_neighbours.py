"""The neighbours of each atom agree with those of pymatgen, for all kinds of cells."""

import itertools
import time

import numpy as np
import pytest
from crystal_cells import SAMPLE, SAMPLE_IDS, glass, structure_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dh_project.cgcnn_mp.crystals.sources import Cell
from dh_project.cgcnn_mp.graphs.neighbours import SHELL_GAP, find_neighbours


def lists_of(cell: Cell, radius: float = 8.0, count: int = 16) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the neighbours of each atom, and their distances."""
    first, others, distances = find_neighbours(cell.lattice, cell.fractional_coordinates, radius, count)
    return [(others[begin:end], distances[begin:end]) for begin, end in itertools.pairwise(first)]


def assert_pymatgens(cell: Cell, radius: float = 8.0, count: int = 16) -> None:
    """Compare with all neighbours that pymatgen finds, up to the end of the shell of the last requested one."""
    centres, others, _, distances = structure_of(cell).get_neighbor_list(radius)
    for atom, (near, away) in enumerate(lists_of(cell, radius, count)):
        expected = np.sort(distances[centres == atom])
        end = min(count, len(expected))
        while end < len(expected) and expected[end] - expected[end - 1] <= SHELL_GAP:
            end += 1
        np.testing.assert_allclose(away, expected[:end], atol=1e-7)
        pairs = {(other, round(distance, 4)) for other, distance in zip(others, distances, strict=True)}
        for other, distance in zip(near, away, strict=True):
            assert any((other, round(distance + shift, 4)) in pairs for shift in (-5e-5, 0, 5e-5))


@pytest.mark.parametrize("cell", [cell for _, cell in SAMPLE], ids=SAMPLE_IDS)
def test_neighbours_are_those_of_pymatgen(cell: Cell):
    assert_pymatgens(cell)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(1.0, 9.0), st.floats(2.0, 7.0), st.integers(1, 30)
)
def test_any_cell_gives_what_pymatgen_finds(seed: int, atoms: int, size: float, radius: float, count: int):
    random = np.random.default_rng(seed)
    lattice = size * (np.eye(3) + random.uniform(-0.45, 0.45, (3, 3)))
    cell = Cell(lattice, np.ones(atoms, np.uint8), random.uniform(-2, 3, (atoms, 3)))
    assert_pymatgens(cell, radius, count)


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_a_skewed_cell_has_the_neighbours_of_the_plain_one(steps: int):
    plain = SAMPLE[2][1]
    change = np.array([[1, 0, 0], [steps, 1, 0], [-steps, 2, 1]])
    skewed = plain._replace(
        lattice=change @ plain.lattice,
        fractional_coordinates=plain.fractional_coordinates @ np.linalg.inv(change),
    )
    for (_, expected), (_, found) in zip(lists_of(plain), lists_of(skewed), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_shells_are_complete():
    """In a simple cubic lattice, the 7th to the 18th neighbour are at the same distance."""
    simple = Cell(np.eye(3) * 3.0, np.array([84], np.uint8), np.zeros((1, 3)))
    assert len(lists_of(simple, count=12)[0][1]) == 18


def test_neighbours_on_the_cutoff_count_and_farther_ones_do_not():
    simple = Cell(np.eye(3) * 5.0, np.array([84], np.uint8), np.zeros((1, 3)))
    assert len(lists_of(simple, radius=5.0)[0][1]) == 6
    assert len(lists_of(simple, radius=4.999)[0][1]) == 0


def test_two_atoms_at_one_place_are_neighbours_at_no_distance():
    twice = Cell(np.eye(3) * 3.0, np.array([1, 1], np.uint8), np.array([[0.0, 0, 0], [1.0, 1, 1]]))
    for near, away in lists_of(twice, count=1):
        assert len(near) == 1
        assert away[0] == 0


@pytest.mark.parametrize("atoms", [200, 2000])
def test_the_time_grows_slowly_with_the_cell(atoms: int):
    begin = time.monotonic()
    assert all(len(near) >= 16 for near, _ in lists_of(glass(atoms)))
    assert time.monotonic() - begin < 20
