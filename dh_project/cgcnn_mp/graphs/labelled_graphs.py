"""A whole data set: its graphs, joined with its labels and element features."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import default_cache_folder
from dh_project.cgcnn_mp.crystals.sources import SHIPPED, Location, Source, find_source
from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, first_positions
from dh_project.cgcnn_mp.graphs.graph_file import PreparedGraphs
from dh_project.cgcnn_mp.graphs.prepare import prepare_graphs

NEIGHBOURS_KEPT, RADIUS_KEPT = 16, 8.0
"""Neighbours an atom and cutoff radius, Å, in the cache at least: up to here, any choice is a slice of one file."""

GRAPH_OPTIONS = (
    "data",
    "label",
    "max_num_nbr",
    "radius",
    "max_lost_share",
    "cache_folder",
    "ties",
    "quotient",
)
"""Arguments of ``label_graphs`` that a data set's graphs and labels depend on."""

FLAT = ("elements", "multiplicities", "neighbours", "shells", "repeats", "distances")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledGraphs:
    """A whole data set with one or several of its labels.

    Attributes:
        source: The data set, as messages call it.
        graphs: All graphs; a label is NaN where it is missing.
        usable: Positions of the crystals that have a graph, features and every label.
        left_out: Material id to reason, of all others.
    """

    source: str
    graphs: CrystalGraphs
    usable: list[int]
    left_out: dict[str, str]


def label_graphs(
    data: Location | Sequence[Location] | Source = SHIPPED,
    label: str | Sequence[str] | None = None,
    max_num_nbr: int = 12,
    radius: float = 8.0,
    max_lost_share: float = 0.05,
    cache_folder: Location | None = None,
    progress: bool = True,
    ties: str = "environment",
    quotient: bool = True,
    for_training: bool = True,
) -> LabelledGraphs:
    """Return a whole data set, not split; arguments and errors are those of ``load_data``.

    To predict, not for training, a crystal needs no label, and any number of them may be left out.
    """
    if max_num_nbr < 1 or int(max_num_nbr) != max_num_nbr:
        raise DataError(f"max_num_nbr is {max_num_nbr}: give a whole number from 1 on")
    if not 0 < radius < math.inf:
        raise DataError(f"radius is {radius}: give a length in Å above 0")
    folder = default_cache_folder() if cache_folder is None else Path(cache_folder).expanduser()
    source = find_source(data, folder)
    tables = source.tables()
    chosen = tables.chosen_labels(label)
    kept_radius, kept = max(RADIUS_KEPT, radius), max(NEIGHBOURS_KEPT, int(max_num_nbr))
    if ties == "pymatgen":  # in which order it has equally far neighbours depends on the radius
        kept_radius = radius
    prepared = prepare_graphs(source, kept_radius, kept, folder, progress, ties, quotient)

    labels, unlabelled = _parse_labels(prepared.ids, chosen)
    features, described = element_table(tables.element_features)
    graphs = _crystal_graphs(prepared, features, labels, tuple(chosen), ties).nearest(
        int(max_num_nbr), float(radius)
    )
    isolated = {
        graphs.ids[row]: f"isolated atom: no neighbour within {radius:g} Å" for row in graphs.isolated()
    }
    left_out = prepared.left_out | isolated | (unlabelled if for_training else {})
    left_out |= _without_features(graphs, described)
    usable = [row for row, identifier in enumerate(graphs.ids) if identifier not in left_out]
    if for_training:
        _check_losses(source.name, left_out, len(tables.ids), max_lost_share)
    return LabelledGraphs(source.name, graphs, usable, left_out)


def _parse_labels(
    ids: Sequence[str], labels: Mapping[str, Mapping[str, str]]
) -> tuple[Tensor, dict[str, str]]:
    """Return labels, float64 (C, targets), NaN where there is none, and the first reason why by id."""
    numbers = [[_number(values.get(identifier, "")) for values in labels.values()] for identifier in ids]
    reasons: dict[str, str] = {}
    for identifier, row in zip(ids, numbers, strict=True):
        for (name, values), number in zip(labels.items(), row, strict=True):
            if math.isnan(number) and identifier not in reasons:
                label = f"label {name}" if len(labels) > 1 else "label"
                text = values.get(identifier, "")
                reasons[identifier] = (
                    f"{label} {text!r} is not a finite number" if text else f"missing {label}"
                )
    return torch.tensor(numbers, dtype=torch.float64).reshape(len(ids), len(labels)), reasons


def _number(text: str) -> float:
    """Return a label as a number, NaN where it is no finite one."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _crystal_graphs(
    prepared: PreparedGraphs, features: Tensor, labels: Tensor, names: tuple[str, ...], ties: str
) -> CrystalGraphs:
    arrays = prepared.arrays
    return CrystalGraphs(
        ids=prepared.ids,
        radius=RADIUS_KEPT,
        max_num_nbr=NEIGHBOURS_KEPT,
        element_features=features,
        labels=labels,
        label_names=names,
        ties=ties,
        first_class=first_positions(arrays["class_counts"]),
        first_edge=first_positions(arrays["edge_counts"]),
        first_distance=first_positions(arrays["distance_counts"]),
        **{name: arrays[name] for name in FLAT},
    )


def element_table(features: dict[int, list[float]]) -> tuple[Tensor, Tensor]:
    """Return features, float32 (elements, features), and whether there are any, bool (256,)."""
    table = torch.zeros(max(features), len(next(iter(features.values()))))
    described = torch.zeros(256, dtype=torch.bool)
    for number, row in features.items():
        table[number - 1] = torch.tensor(row)
        described[number - 1] = True
    return table, described


def _without_features(graphs: CrystalGraphs, described: Tensor) -> dict[str, str]:
    """Return the reason by id for crystals with an element that has no features."""
    atoms = torch.nonzero(~described[graphs.elements.int()]).flatten()
    crystals = torch.searchsorted(graphs.first_class, atoms, right=True) - 1
    numbers = graphs.elements[atoms].int() + 1
    return {
        graphs.ids[crystal]: f"the element of atomic number {number} has no features"
        for crystal, number in zip(crystals.tolist(), numbers.tolist(), strict=True)
    }


def _check_losses(source: str, left_out: dict[str, str], total: int, max_lost_share: float) -> None:
    """Log how many crystals are left out, or raise DataError where they are too many."""
    if not left_out:
        return
    first = "; ".join(f"{identifier}: {reason}" for identifier, reason in list(left_out.items())[:3])
    more = "; …" if len(left_out) > 3 else ""
    message = f"{len(left_out):,} of {total:,} crystals of {source} cannot be used ({first}{more})"
    if len(left_out) > max_lost_share * total or len(left_out) == total:
        raise DataError(
            f"{message}; correct them, or allow more with max_lost_share (now {max_lost_share:g})"
        )
    logger.warning("%s; they are left out", message)


def atomic_numbers(graphs: CrystalGraphs, row: int) -> list[int]:
    """Return the atomic number of each atom of one crystal."""
    classes = slice(*graphs.first_class[row : row + 2].tolist())
    return (
        (graphs.elements[classes].int() + 1).repeat_interleave(graphs.multiplicities[classes].int()).tolist()
    )
