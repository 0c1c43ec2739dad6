"""A whole data set: its graphs with its labels and element features."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import default_cache_folder
from dh_project.cgcnn_mp.crystals.settings import LIKE_ORIGINAL, DataSettings
from dh_project.cgcnn_mp.crystals.sources import Source, find_source
from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, first_positions
from dh_project.cgcnn_mp.graphs.graph_file import PreparedGraphs
from dh_project.cgcnn_mp.graphs.prepare import prepare_graphs

NEIGHBOURS_KEPT, RADIUS_KEPT = 16, 8.0
"""Neighbours of each atom and cutoff radius (Å) in the graph file, at least. Smaller ones are cut from that file."""

FLAT = ("elements", "multiplicities", "neighbours", "shells", "repeats", "distances")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledGraphs:
    """A whole data set with one or several of its labels.

    Attributes:
        source: Name of the data set in messages.
        graphs: All graphs; a missing label is NaN.
        usable: Indices of the crystals that have a graph, element features and every label.
        left_out: Material id to reason, for all other crystals.
        notes: Material id to what was repaired or assumed, for usable crystals of which there is something to say.
    """

    source: str
    graphs: CrystalGraphs
    usable: list[int]
    left_out: dict[str, str]
    notes: dict[str, str]


def label_graphs(
    settings: DataSettings,
    source: Source | None = None,
    progress: bool = True,
    for_training: bool = True,
) -> LabelledGraphs:
    """Return a whole data set, before it is split.

    Args:
        settings: The crystals, the labels, and how the graphs are cut.
        source: The crystals; None: find them at ``settings.data``.
        progress: Whether to show on standard error that graphs are being built.
        for_training: Whether every crystal needs all labels, and too many unusable crystals are an error. For
            predictions neither holds.

    Returns:
        The graphs and labels, and the reason for each crystal that is left out.

    Raises:
        DataError: The data cannot be read, or too many crystals are unusable.
    """
    max_num_nbr, radius, ties = int(settings.max_num_nbr), float(settings.radius), settings.ties
    folder = settings.cache_folder
    folder = default_cache_folder() if folder is None else dh.files.at_home(folder)
    source = find_source(settings.data, folder) if source is None else source
    tables = source.tables()
    chosen = tables.chosen_labels(settings.label)
    kept_radius, kept = max(RADIUS_KEPT, radius), max(NEIGHBOURS_KEPT, max_num_nbr)
    if ties in LIKE_ORIGINAL:  # its order of equally far neighbours depends on the radius
        kept_radius = radius
    prepared = prepare_graphs(source, kept_radius, kept, folder, progress, ties, settings.quotient)

    labels, unlabelled = _parse_labels(prepared.ids, chosen)
    features, described = element_table(tables.element_features)
    graphs = _crystal_graphs(prepared, features, labels, tuple(chosen), ties).nearest(max_num_nbr, radius)
    isolated = {
        graphs.ids[row]: f"isolated atom: no neighbour within {radius:g} Å" for row in graphs.isolated()
    }
    left_out = prepared.left_out | isolated | (unlabelled if for_training else {})
    left_out |= _without_features(graphs, described)
    usable = [row for row, identifier in enumerate(graphs.ids) if identifier not in left_out]
    notes = _notes(prepared, graphs, left_out)
    if for_training:
        _check_losses(source.name, left_out, len(tables.ids), settings.max_lost_share)
        if notes:
            few = f"{len(notes):,} of {len(tables.ids):,} crystals of {source.name} were read with a remark"
            _warn_once(f"{few} ({first_remarks(notes)})")
    return LabelledGraphs(source.name, graphs, usable, left_out, notes)


def _notes(prepared: PreparedGraphs, graphs: CrystalGraphs, left_out: Mapping[str, str]) -> dict[str, str]:
    """Return what there is to say of the usable crystals.

    The original code fills up missing neighbours, so with its rule for ties their lack is worth a note.
    """
    notes = {identifier: note for identifier, note in prepared.notes.items() if identifier not in left_out}
    if graphs.ties == "pymatgen":
        for row, fewest in graphs.fewest_neighbours().items():
            if (identifier := graphs.ids[row]) not in left_out:
                few = (
                    f"an atom has only {fewest} of {graphs.max_num_nbr} neighbours within {graphs.radius:g} Å"
                )
                few += ", which the original CGCNN fills up (ties=original)"
                notes[identifier] = "; ".join(filter(None, [notes.get(identifier), few]))
    return notes


def first_remarks(remarks: Mapping[str, str]) -> str:
    """Return the first three remarks with their ids, as text for one line."""
    first = "; ".join(f"{identifier}: {remark}" for identifier, remark in list(remarks.items())[:3])
    return f"{first}; …" if len(remarks) > 3 else first


def _parse_labels(
    ids: Sequence[str], labels: Mapping[str, Mapping[str, str]]
) -> tuple[Tensor, dict[str, str]]:
    """Return the labels, float64 (C, targets), with NaN for a missing one, and the first reason for that by id."""
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
    """Return a label as a number, or NaN if it is not a finite one."""
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
    """Return the features, float32 (elements, features), and whether each element has some, bool (256,)."""
    table = torch.zeros(max(features), len(next(iter(features.values()))))
    described = torch.zeros(256, dtype=torch.bool)
    for number, row in features.items():
        table[number - 1] = torch.tensor(row)
        described[number - 1] = True
    return table, described


def _without_features(graphs: CrystalGraphs, described: Tensor) -> dict[str, str]:
    """Return a reason by id for each crystal that contains an element without features."""
    atoms = torch.nonzero(~described[graphs.elements.int()]).flatten()
    crystals = torch.searchsorted(graphs.first_class, atoms, right=True) - 1
    numbers = graphs.elements[atoms].int() + 1
    return {
        graphs.ids[crystal]: f"the element of atomic number {number} has no features"
        for crystal, number in zip(crystals.tolist(), numbers.tolist(), strict=True)
    }


def _check_losses(source: str, left_out: dict[str, str], total: int, max_lost_share: float) -> None:
    """Log how many crystals are left out; raise a DataError if there are too many."""
    if not left_out:
        return
    message = (
        f"{len(left_out):,} of {total:,} crystals of {source} cannot be used ({first_remarks(left_out)})"
    )
    if len(left_out) > max_lost_share * total or len(left_out) == total:
        raise DataError(
            f"{message}; correct them, or allow more with max_lost_share (now {max_lost_share:g})"
        )
    _warn_once(f"{message}; they are left out")


@cache
def _warn_once(message: str) -> None:
    """Log a warning, only once in each process."""
    logger.warning("%s", message)


def atomic_numbers(graphs: CrystalGraphs, row: int) -> list[int]:
    """Return the atomic number of each atom of one crystal."""
    classes = slice(*graphs.first_class[row : row + 2].tolist())
    return (
        (graphs.elements[classes].int() + 1).repeat_interleave(graphs.multiplicities[classes].int()).tolist()
    )
