"""The peers: how to find each, and our graphs in the form that it takes.

The original CGCNN (https://github.com/txie-93/cgcnn) is a clone that whoever measures names; ``cgcnn2`` and
``torch_geometric`` come from PyPI (``pip install dh_project[bench]``). A peer that is not here is left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs
from dh_project.cgcnn_mp.network.kernels import count_gaussians, expand_distances

ORIGINAL_VARIABLE = "ORIGINAL_CGCNN"
ORIGINAL, CGCNN2, GEOMETRIC = "original", "cgcnn2", "torch_geometric"

Item = tuple[tuple[Tensor, Tensor, Tensor], Tensor, str]
"""A crystal as the original's data set gives it: atom features, bond features, neighbours; label; id."""


def load_original(folder: Path | str | None) -> tuple[ModuleType, ModuleType] | None:
    """Return the original's modules ``data`` and ``model``, or None if no folder is named.

    Raises:
        SystemExit: The folder holds no CGCNN.
    """
    if not folder:
        return None
    if not (Path(folder) / "cgcnn" / "model.py").exists():
        raise SystemExit(f"{folder} is no clone of txie-93/cgcnn: there is no cgcnn/model.py in it")
    with _first_on_path(Path(folder)):
        modules = importlib.import_module("cgcnn.data"), importlib.import_module("cgcnn.model")
    for name in [name for name in sys.modules if name.partition(".")[0] == "cgcnn"]:
        del sys.modules[name]
    return modules


def load_installed(name: str, *modules: str) -> list[ModuleType] | None:
    """Return modules of a package, or None if it is not installed."""
    with suppress(ImportError):
        return [importlib.import_module(f"{name}.{module}") for module in modules]
    return None


def missing_peers(original: Path | str | None, *packages: str) -> list[str]:
    """Return a line for each peer that is not here."""
    lines = [] if original else [f"the original: name a clone with --original or ${ORIGINAL_VARIABLE}"]
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    return lines + [f"{name}: not installed (pip install dh_project[bench])" for name in absent]


def complete_rows(graphs: CrystalGraphs, rows: Tensor) -> Tensor:
    """Return those of ``rows`` in which every atom has all its neighbours: there, all peers compute the same."""
    ends = torch.cat([torch.zeros(1, dtype=torch.long), graphs.repeats.long().cumsum(0)])
    short = (ends[graphs.first_edge].diff() < graphs.max_num_nbr).long()
    shorts = torch.cat([torch.zeros(1, dtype=torch.long), short.cumsum(0)])[graphs.first_class].diff()
    return rows[shorts[rows] == 0]


def original_items(graphs: CrystalGraphs, rows: Tensor) -> list[Item]:
    """Return crystals as the original's data set gives them, on our graphs; every atom has all its neighbours.

    An edge to a class of equivalent atoms goes, each time, to the first atom of the class: the atoms of a class
    carry the same features in every layer, so that it is the same to all of them.
    """
    gaussians = count_gaussians(graphs.radius)
    items = []
    for row in rows.tolist():
        elements, neighbours, distances = unfolded(graphs, row)
        bonds = expand_distances(distances.double(), gaussians).float()
        features = graphs.element_features[elements]
        items.append(((features, bonds, neighbours), graphs.labels[row].float(), graphs.ids[row]))
    return items


def unfolded(graphs: CrystalGraphs, row: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return a crystal's graph atom by atom.

    Returns:
        Atomic numbers less one, int64 (N,); neighbours, int64 (N, K); distances, float32 (N, K), Å.
    """
    classes = slice(*graphs.first_class[row : row + 2].tolist())
    edges = slice(*graphs.first_edge[[classes.start, classes.stop]].tolist())
    lengths = graphs.distances[slice(*graphs.first_distance[row : row + 2].tolist())]
    counts = graphs.multiplicities[classes].long()
    first_atom = counts.cumsum(0) - counts
    repeats = graphs.repeats[edges].long()
    neighbours = first_atom[graphs.neighbours[edges].long()].repeat_interleave(repeats)
    distances = lengths[graphs.shells[edges].long()].repeat_interleave(repeats)
    shape = (len(counts), graphs.max_num_nbr)
    return (
        graphs.elements[classes].long().repeat_interleave(counts),
        neighbours.view(shape).repeat_interleave(counts, dim=0),
        distances.view(shape).repeat_interleave(counts, dim=0),
    )


def geometric_items(data: Any, items: list[Item]) -> list[Any]:
    """Return crystals as torch_geometric takes them, given the original's items."""
    made = []
    for (features, bonds, neighbours), label, _ in items:
        own = torch.arange(len(neighbours)).repeat_interleave(neighbours.shape[1])
        edges = torch.stack([neighbours.flatten(), own])
        made.append(
            data.Data(x=features, edge_index=edges, edge_attr=bonds.flatten(0, 1), y=label.unsqueeze(0))
        )
    return made


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    entry = os.fspath(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
