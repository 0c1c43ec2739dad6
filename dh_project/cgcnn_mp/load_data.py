"""Crystals and their labels as training, validation and test sets of graphs.

``python -m dh_project.cgcnn_mp.load_data [data] [key=value ...]`` shows what they hold. The first call for a data
set builds its graphs into a cache, later ones map them in a fraction of a second: call ``load_data`` once before
a search.
"""

from __future__ import annotations

import logging
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dh_project.arguments import parse_key_values
from dh_project.cgcnn_mp.cache import default_cache_folder
from dh_project.cgcnn_mp.crystals import SHIPPED, Location, Source, find_source
from dh_project.cgcnn_mp.errors import DataError as DataError
from dh_project.cgcnn_mp.errors import unknown
from dh_project.cgcnn_mp.graphs import CrystalGraphs, CrystalSet, first_positions
from dh_project.cgcnn_mp.preparation.graph_file import PreparedGraphs
from dh_project.cgcnn_mp.preparation.prepare import prepare_graphs
from dh_project.cgcnn_mp.splits import (
    SET_NAMES,
    check_ratios,
    find_grouping,
    split_by_files,
    split_by_ratio,
    split_file_paths,
)
from dh_project.errors import UserError

NEIGHBOURS_KEPT, RADIUS_KEPT = 16, 8.0
"""Neighbours an atom and cutoff radius, Å, in the cache at least: up to here, any choice is a slice of one file."""

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


def load_data(
    data: Location | Sequence[Location] = SHIPPED,
    label: str | Sequence[str] | None = None,
    max_num_nbr: int = 12,
    radius: float = 8.0,
    train_ratio: float = 0.6,
    val_ratio: float = 0.2,
    test_ratio: float = 0.2,
    split_seed: int = 0,
    split_files: Location | Sequence[Location] | None = None,
    group_by: str | None = None,
    max_lost_share: float = 0.05,
    cache_folder: Location | None = None,
    progress: bool = True,
    ties: str = "environment",
    quotient: bool = True,
) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
    """Return the training, validation and test sets, which share one set of graphs.

    Args:
        data: ``"flla"``, the 3,938 crystals that ship; or a folder in the original CGCNN's layout
            (``id_prop.csv``, ``<id>.cif``, and where there are such ``labels.csv``, ``atom_init.json``); or a
            tar file, compressed or not, of one such folder. Several candidates (a list, or one string with
            commas between) mean the first that exists.
        label: ``formation_energy_per_atom`` or ``e_above_hull`` (eV/atom) of ``flla``, a column of
            ``labels.csv``, or None for the first of flla's and for ``id_prop.csv``. Several (a list, or one
            string with commas) are learnt at once, by the crystals that have all of them.
        max_num_nbr: Nearest neighbours an atom.
        radius: Cutoff, Å.
        train_ratio: Share of training crystals, above 0.
        val_ratio: Share of validation crystals, above 0.
        test_ratio: Share of test crystals; 0 gives an empty set. What the ratios leave of 1 stays unused.
        split_seed: Another seed gives another split.
        split_files: A folder with ``train.txt``, ``valid.txt`` and ``test.txt``, one id a line, or three such
            files; then ratios and seed do nothing.
        group_by: ``composition`` keeps crystals of one reduced formula all in one set, ``chemical_system`` those
            of one set of elements (by ratio only); None: each crystal goes by itself.
        max_lost_share: The share of crystals that may be left out before it is an error.
        cache_folder: Where graphs are kept: by default ``$DH_PROJECT_CACHE``, else the user's cache folder.
        progress: Whether to show on standard error that graphs are being built.
        ties: Which of equally far neighbours are kept that the count cuts: ``environment`` goes by their
            surroundings, whatever the order of atoms; ``pymatgen`` does what the original CGCNN does.
        quotient: Whether equivalent atoms are one (same results, less work).

    Returns:
        The sets. Crystals that cannot be used are in none; a warning is logged that says how many and why.

    Raises:
        DataError: The data or these settings cannot be used.
    """
    ratios = (train_ratio, val_ratio, test_ratio)
    check_ratios(ratios)
    data_set = label_graphs(
        data, label, max_num_nbr, radius, max_lost_share, cache_folder, progress, ties, quotient
    )
    return split_graphs(data_set, ratios, split_seed, split_files, group_by)


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
    if ties == "pymatgen":  # the original's order within a radius says nothing of another radius
        kept_radius, kept = radius, int(max_num_nbr)
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


def split_graphs(
    data_set: LabelledGraphs,
    ratios: Sequence[float] = (0.6, 0.2, 0.2),
    split_seed: int = 0,
    split_files: Location | Sequence[Location] | None = None,
    group_by: str | None = None,
) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
    """Return the three sets of a data set; arguments and errors are those of ``load_data``."""
    if split_files is not None and group_by is not None:
        raise DataError("split files and group_by exclude each other: leave one out")
    grouping = None if group_by is None else find_grouping(group_by)
    graphs, usable = data_set.graphs, data_set.usable
    if split_files is not None:
        ids = [graphs.ids[row] for row in usable]
        split = split_by_files(ids, data_set.left_out, split_file_paths(split_files))
    else:
        groups = [grouping(atomic_numbers(graphs, row)) if grouping else graphs.ids[row] for row in usable]
        split = split_by_ratio(groups, ratios, split_seed)
    rows = torch.tensor(usable)
    train, valid, test = (CrystalSet(graphs, rows[positions]) for positions in split)
    return train, valid, test


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


def describe(data_set: LabelledGraphs, sets: Sequence[CrystalSet]) -> str:
    """Return sizes, shapes, label statistics and a few crystals of the sets, and what was left out."""
    graphs = data_set.graphs
    found = f"{len(graphs):,} graphs, {int(graphs.atom_counts.sum()):,} atoms, neighbours within {graphs.radius:g} Å"
    lines = [f"data: {data_set.source} ({found})", f"label: {', '.join(graphs.label_names)}"]
    for name, crystals in zip(SET_NAMES, sets, strict=True):
        atoms = int(graphs.atom_counts[crystals.rows].sum())
        lines += [
            f"{name}_elements shape: ({atoms},)",
            f"{name}_distances shape: ({atoms}, {graphs.max_num_nbr})",
            *(
                f"{name}_labels shape: ({len(crystals)},){_statistics(labels)}"
                for labels in crystals.labels.unbind(1)
            ),
        ]
    lines += [_crystal_line(graphs, row) for row in sets[0].rows[:5].tolist()]
    lines.append(f"left out: {len(data_set.left_out):,}")
    return "\n".join(
        lines + [f"  {identifier}: {reason}" for identifier, reason in data_set.left_out.items()]
    )


def _statistics(labels: Tensor) -> str:
    if not len(labels):
        return ""
    mean, deviation = labels.mean(), labels.std(correction=0)
    return f"  mean {mean:.4f}, std {deviation:.4f}, min {labels.min():.4f}, max {labels.max():.4f}"


def _crystal_line(graphs: CrystalGraphs, row: int) -> str:
    from pymatgen.core import Composition, Element  # slow to import

    numbers = atomic_numbers(graphs, row)
    formula = Composition(Counter(Element.from_Z(number).symbol for number in numbers)).reduced_formula
    labels = ", ".join(f"{label:.4f}" for label in graphs.labels[row].tolist())
    return f"  {graphs.ids[row]}: {formula}, {len(numbers)} atoms, label {labels}"


SPLIT_OPTIONS = ("split_seed", "split_files", "group_by")
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


def main(words: Sequence[str] | None = None) -> int:
    """Show a data set; return the exit status, 2 for data that cannot be used.

    Args:
        words: The data set, and ``key=value`` for arguments of ``load_data``; None for the process's own.
    """
    try:
        print(_shown(sys.argv[1:] if words is None else words))
    except (UserError, DataError) as error:
        print(f"load_data: error: {error}", file=sys.stderr)
        return 2
    return 0


def _shown(words: Sequence[str]) -> str:
    """Return what the command prints."""
    options = parse_key_values([word for word in words if "=" in word])
    places = [word for word in words if "=" not in word]
    if len(places) > 1:
        raise UserError(f"{', '.join(places)}: name one data set, and options as key=value")
    if places:
        options["data"] = places[0]
    for name in options:
        if name not in (*GRAPH_OPTIONS, *SPLIT_OPTIONS):
            raise UserError(unknown("argument", name, [*GRAPH_OPTIONS, *SPLIT_OPTIONS]))
    data_set = label_graphs(**{name: options[name] for name in GRAPH_OPTIONS if name in options})
    split = {name: options[name] for name in SPLIT_OPTIONS if name in options}
    sets = split_graphs(data_set, **split)
    return describe(data_set, sets)


if __name__ == "__main__":
    sys.exit(main())
