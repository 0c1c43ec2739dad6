"""Cells to build graphs from, and functions to inspect these graphs."""

import itertools
from collections.abc import Sequence

import numpy as np
from pymatgen.core import Structure

from dh_project.cgcnn_mp.crystals.sources import Cell, ShippedSource
from dh_project.cgcnn_mp.graphs.arrays import GraphArrays, first_positions

SHIPPED = list(ShippedSource().structures())
SAMPLE = SHIPPED[::400]
SAMPLE_IDS = [identifier for identifier, _ in SAMPLE]


def cell_of(structure: Structure) -> Cell:
    numbers = np.array(structure.atomic_numbers, dtype=np.uint8)
    return Cell(structure.lattice.matrix, numbers, structure.frac_coords)


def structure_of(cell: Cell) -> Structure:
    return Structure(cell.lattice, cell.atomic_numbers.tolist(), cell.fractional_coordinates)


def glass(atoms: int, seed: int = 0) -> Cell:
    """Return a cell with one element at random positions at least 1 Å apart, 15 Å³ for each atom."""
    rng, length = np.random.default_rng(seed), (15 * atoms) ** (1 / 3)
    places = np.empty((0, 3))
    while len(places) < atoms:
        place = rng.random(3)
        apart = places - place
        if not len(places) or (((apart - np.rint(apart)) * length) ** 2).sum(1).min() > 1:
            places = np.vstack([places, place])
    return Cell(np.eye(3) * length, np.full(atoms, 14, np.uint8), places)


def neighbour_lists(graphs: GraphArrays, count: int) -> list[list[tuple[int, float]]]:
    """Return class and distance of the first ``count`` neighbours of each class of a crystal's graph."""
    first = first_positions(graphs.edge_counts)
    lists = []
    for begin, end in itertools.pairwise(first):
        edges = np.repeat(np.arange(begin, end), graphs.repeats[begin:end])[:count]
        lists.append(
            [(int(graphs.neighbours[edge]), float(graphs.distances[graphs.shells[edge]])) for edge in edges]
        )
    return lists


def features(graphs: GraphArrays, count: int, layers: int = 4) -> np.ndarray:
    """Return the features of each class of a crystal, (classes, 3), from a small network with random weights."""
    weights = np.random.default_rng(7)
    values = np.sin(np.outer(graphs.elements + 1.0, [0.3, 0.7, 1.1]))
    lists = neighbour_lists(graphs, count)
    for _ in range(layers):
        own, other, length = weights.normal(size=(3, 3)), weights.normal(size=(3, 3)), weights.normal(size=3)
        messages = [
            sum((np.tanh(values[near] @ other + away * length) for near, away in row), np.zeros(3))
            for row in lists
        ]
        values = np.tanh(values @ own + np.array(messages))
    return values


def pooled(graphs: GraphArrays, count: int) -> np.ndarray:
    """Return the mean of the features over a crystal's atoms."""
    return np.average(features(graphs, count), axis=0, weights=graphs.multiplicities)


def split(graphs: GraphArrays) -> Sequence[GraphArrays]:
    """Return the graphs of single crystals."""
    classes = first_positions(graphs.class_counts)
    edges = first_positions(graphs.edge_counts)[classes]
    distances = first_positions(graphs.distance_counts)
    return [
        GraphArrays(
            graphs.class_counts[crystal : crystal + 1],
            graphs.distance_counts[crystal : crystal + 1],
            *(array[classes[crystal] : classes[crystal + 1]] for array in graphs[2:5]),
            *(array[edges[crystal] : edges[crystal + 1]] for array in graphs[5:8]),
            graphs.distances[distances[crystal] : distances[crystal + 1]],
        )
        for crystal in range(len(graphs.class_counts))
    ]
