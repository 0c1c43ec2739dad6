"""Crystals and their labels as training, validation and test sets of graphs.

``python -m dh_project.cgcnn_mp.load_data [data] [key=value ...]`` describes the sets. The first call for a data set
builds its graphs and keeps them in the cache folder. Later calls map them in a fraction of a second.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError as DataError
from dh_project.cgcnn_mp.crystals.settings import DataSettings as DataSettings
from dh_project.cgcnn_mp.crystals.sources import SHIPPED, Location
from dh_project.cgcnn_mp.crystals.splits import (
    SET_NAMES,
    find_grouping,
    split_by_files,
    split_by_ratio,
    split_file_paths,
)
from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, CrystalSet
from dh_project.cgcnn_mp.graphs.labelled_graphs import (
    LabelledGraphs,
    atomic_numbers,
    label_graphs,
)


def load_data(
    data: Location | Sequence[Location] = SHIPPED,
    label: str | Sequence[str] | None = None,
    *,
    progress: bool = True,
    **settings: Any,
) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
    """Return the training, validation and test sets, which share one set of graphs.

    Args:
        data: ``"flla"``, a folder, or a tar file; see ``DataSettings``.
        label: One label or several; see ``DataSettings``.
        progress: Whether to show on standard error that graphs are being built.
        **settings: The other fields of ``DataSettings``, as in ``radius=6.0``.

    Returns:
        The three sets. Crystals that cannot be used are in none of them. A warning is logged that says how many
        these are, and why.

    Raises:
        DataError: The data cannot be used, or a setting is unknown or invalid.

    Example:
        >>> train, valid, test = load_data("flla", progress=False)
        >>> len(train), len(valid), len(test)
        (2363, 787, 788)
        >>> train.labels.shape
        torch.Size([2363, 1])
    """
    chosen = DataSettings.of(data=data, label=label, **settings)
    return split_graphs(label_graphs(chosen, progress=progress), chosen)


def split_graphs(
    data_set: LabelledGraphs, settings: DataSettings
) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
    """Return the training, validation and test sets of a data set.

    Raises:
        DataError: A set is empty, or the split files cannot be used.
    """
    graphs, usable = data_set.graphs, data_set.usable
    if settings.split_files is not None:
        ids = [graphs.ids[row] for row in usable]
        split = split_by_files(ids, data_set.left_out, split_file_paths(settings.split_files))
    elif settings.group_by is not None:
        grouping = find_grouping(settings.group_by)
        groups = [grouping(atomic_numbers(graphs, row)) for row in usable]
        split = split_by_ratio(groups, settings.ratios, settings.split_seed)
    else:
        split = split_by_ratio([graphs.ids[row] for row in usable], settings.ratios, settings.split_seed)
    rows = torch.tensor(usable)
    train, valid, test = (CrystalSet(graphs, rows[positions]) for positions in split)
    return train, valid, test


def describe(data_set: LabelledGraphs, sets: Sequence[CrystalSet]) -> str:
    """Return a description of the sets: sizes, shapes, label statistics, a few crystals, remarks."""
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
    for title, remarks in (("left out", data_set.left_out), ("remarks", data_set.notes)):
        if remarks or title == "left out":
            lines.append(f"{title}: {len(remarks):,}")
            lines += [f"  {identifier}: {remark}" for identifier, remark in remarks.items()]
    return "\n".join(lines)


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


def main(words: Sequence[str] | None = None) -> int:
    """Print a description of a data set.

    Args:
        words: The data set, and fields of ``DataSettings`` as ``key=value``; None: the arguments of this process.

    Returns:
        The exit status: 2 if the data cannot be used.
    """
    return dh.exit_status(lambda words: print(_shown(words)), words, (dh.UserError, DataError))


def _shown(words: Sequence[str]) -> str:
    """Return the text that the command prints."""
    options = dh.parse_key_values([word for word in words if "=" in word])
    places = [word for word in words if "=" not in word]
    if len(places) > 1:
        raise dh.UserError(f"{', '.join(places)}: name one data set, and options as key=value")
    if places:
        options["data"] = places[0]
    settings = DataSettings.of(**options)
    data_set = label_graphs(settings)
    return describe(data_set, split_graphs(data_set, settings))


if __name__ == "__main__":
    sys.exit(main())
