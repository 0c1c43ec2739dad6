"""Crystals and their labels as training, validation and test sets of graphs.

``python -m dh_project.cgcnn_mp.load_data [data] [key=value ...]`` shows what they hold. The first call for a data
set builds its graphs into a cache, later ones map them in a fraction of a second: call ``load_data`` once before
a search.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError as DataError
from dh_project.cgcnn_mp.crystals.sources import SHIPPED, Location
from dh_project.cgcnn_mp.crystals.splits import (
    SET_NAMES,
    check_ratios,
    find_grouping,
    split_by_files,
    split_by_ratio,
    split_file_paths,
)
from dh_project.cgcnn_mp.graphs.batches import CrystalGraphs, CrystalSet
from dh_project.cgcnn_mp.graphs.labelled_graphs import (
    GRAPH_OPTIONS,
    LabelledGraphs,
    atomic_numbers,
    label_graphs,
)


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


def main(words: Sequence[str] | None = None) -> int:
    """Show a data set; return the exit status, 2 for data that cannot be used.

    Args:
        words: The data set, and ``key=value`` for arguments of ``load_data``; None for the process's own.
    """
    try:
        print(_shown(sys.argv[1:] if words is None else words))
    except (dh.UserError, DataError) as error:
        print(f"load_data: error: {error}", file=sys.stderr)
        return 2
    return 0


def _shown(words: Sequence[str]) -> str:
    """Return what the command prints."""
    options = dh.parse_key_values([word for word in words if "=" in word])
    places = [word for word in words if "=" not in word]
    if len(places) > 1:
        raise dh.UserError(f"{', '.join(places)}: name one data set, and options as key=value")
    if places:
        options["data"] = places[0]
    for name in options:
        if name not in (*GRAPH_OPTIONS, *SPLIT_OPTIONS):
            raise dh.UserError(dh.errors.unknown_name("argument", name, [*GRAPH_OPTIONS, *SPLIT_OPTIONS]))
    data_set = label_graphs(**{name: options[name] for name in GRAPH_OPTIONS if name in options})
    split = {name: options[name] for name in SPLIT_OPTIONS if name in options}
    sets = split_graphs(data_set, **split)
    return describe(data_set, sets)


if __name__ == "__main__":
    sys.exit(main())
