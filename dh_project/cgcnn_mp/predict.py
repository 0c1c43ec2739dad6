"""Predicts crystals with a trained network; ``deephyper predict`` calls it.

Graphs are built with the settings in the checkpoint: neighbours of each atom, radius and element features. A
checkpoint of the original code contains the radius (its 41 Gaussians reach to 8 Å), but not the other two. For it, 12
neighbours are assumed, the default of that code, and the element features come from the data, as in its
``predict.py``. Ties are those of its code too (``ties="pymatgen"``): for cubic SrTiO3 they change the prediction by
0.1 eV/atom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.cache import default_cache_folder
from dh_project.cgcnn_mp.crystals.settings import TIES, DataSettings
from dh_project.cgcnn_mp.crystals.sources import SHIPPED_LABELS, Location, Source, Written, find_crystals
from dh_project.cgcnn_mp.crystals.tables import ID_TABLE, Tables, shipped_element_features
from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.graphs.labelled_graphs import element_table, first_remarks, label_graphs
from dh_project.cgcnn_mp.network.devices import find_device, limited_threads
from dh_project.cgcnn_mp.training import evaluation
from dh_project.cgcnn_mp.training.checkpoint import (
    ORIGINAL_NEIGHBOURS,
    ORIGINAL_TIES,
    CheckpointError,
    TrainedNetwork,
    features_digest,
    load_trained,
)

SHIPPED_UNIT = "eV/atom"
"""Unit of the labels that ship."""

DIGITS = 7
"""Digits of a prediction in a table."""


@dataclass(frozen=True)
class Predictions:
    """The predictions of a checkpoint for C crystals.

    Attributes:
        checkpoint: The checkpoint file.
        data: Name of the data in messages.
        graphs: Description of the graph settings.
        ids: Ids of the C crystals.
        values: float64 (C, targets), in the units of the labels; for a classification the probability of class 1.
        classification: Whether the network is a classification.
        labels: float64 (C, targets), with NaN for a missing label; None if the data has no such labels.
        label_names: Names of the targets; ``prediction`` if neither the checkpoint nor the data names a single
            target.
        left_out: Id to reason, for the crystals that cannot be predicted.
        notes: Id to what was repaired or assumed, for predicted crystals of which there is something to say.
    """

    checkpoint: Path
    data: str
    graphs: str
    ids: list[str]
    values: Tensor
    classification: bool
    labels: Tensor | None
    label_names: tuple[str, ...]
    left_out: dict[str, str]
    notes: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each crystal: id, prediction, and, if the data has labels, label and error.

        If there are several targets, the columns are ``prediction:<name>`` and so on. A classification has no error.
        """
        return [
            {"id": identifier, **dict(self._cells(position))} for position, identifier in enumerate(self.ids)
        ]

    def _cells(self, position: int) -> Iterator[tuple[str, float | str]]:
        for target, name in enumerate(self.label_names):
            ending = f":{name}" if len(self.label_names) > 1 else ""
            value = _short(self.values[position, target].item())
            yield f"prediction{ending}", value
            if self.labels is not None:
                label = self.labels[position, target].item()
                is_there = label == label  # False for NaN
                yield f"label{ending}", label if is_there else ""
                if not self.classification:
                    yield f"error{ending}", _short(value - label) if is_there else ""

    @property
    def unit(self) -> str:
        """The unit of the predictions, in words."""
        if self.classification:
            return "probability of class 1"
        units = {SHIPPED_UNIT if name in SHIPPED_LABELS else "" for name in self.label_names}
        return units.pop() if units == {SHIPPED_UNIT} else "that of the labels of the training"

    def metrics(self) -> dict[str, tuple[int, dict[str, float]]]:
        """Return, for each target, the number of crystals with a label, and their metrics."""
        found = {}
        for target, name in enumerate(self.label_names if self.labels is not None else ()):
            assert self.labels is not None
            has_label = self.labels[:, target].isfinite()
            labels = self.labels[has_label, target : target + 1]
            if len(labels):
                values = self.values[has_label, target : target + 1]
                found[name] = len(labels), evaluation.measure(values, labels, self.classification)
        return found


def predict(
    checkpoint: Path,
    data: Location | Sequence[Location],
    label: str | Sequence[str] | None = None,
    max_num_nbr: int | None = None,
    radius: float | None = None,
    ties: str | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    threads: int = 1,
    cache_folder: Location | None = None,
    progress: bool = True,
) -> Predictions:
    """Predict crystals.

    Args:
        checkpoint: A checkpoint of this package, or of the original code (``.pth.tar``).
        data: A data set as for ``load_data``, a folder of CIF files, or one or several CIF files.
        label: Labels of the data to compare with, one for each target. None: the labels that the network was trained
            on, if the data has them, else the first label of the data.
        max_num_nbr: Neighbours of each atom. None: as in the checkpoint. If the checkpoint contains another value,
            this is an error.
        radius: Cutoff radius, Å; as ``max_num_nbr``.
        ties: Rule for choosing among equally far neighbours, see ``DataSettings``; as ``max_num_nbr``.
        device: ``auto``, ``cpu``, ``cuda``, …
        batch_size: Crystals in each batch. None: a size that suits the device.
        threads: CPU threads.
        cache_folder: Folder in which prepared graphs are kept; see ``DataSettings``.
        progress: Whether to show on standard error that graphs are being built.

    Raises:
        OSError: The checkpoint cannot be opened.
        CheckpointError: The file is not a checkpoint, or the network was trained with other graph settings.
        DataError: The data cannot be read, or no crystal can be predicted.
        ValueError: This machine does not have the device.

    Example::

        found = predict(Path("default_config/best.pt"), "crystals")
        for row in found.rows():
            print(row["id"], row["prediction"])
    """
    where = find_device(device)
    trained = load_trained(checkpoint)
    max_num_nbr, radius, ties = _graph_settings(checkpoint, trained, max_num_nbr, radius, ties)
    folder = default_cache_folder() if cache_folder is None else dh.files.at_home(cache_folder)
    source = _Described(find_crystals(data, folder), checkpoint, trained)
    chosen = _labels(source, trained, label)
    settings = DataSettings(
        label=chosen, max_num_nbr=max_num_nbr, radius=radius, ties=ties, cache_folder=folder
    )
    found = label_graphs(settings, source, progress, for_training=False)
    if not found.usable:
        raise DataError(f"no crystal of {source.name} can be predicted ({first_remarks(found.left_out)})")
    crystals = CrystalSet(found.graphs, torch.tensor(found.usable)).to(where)
    with limited_threads(threads):
        values = evaluation.predict(trained.network.to(where), trained.normalizer, crystals, batch_size)
    has_labels = chosen is not None and bool(crystals.labels.isfinite().any())
    if trained.network.classification and has_labels and not _are_classes(crystals.labels):
        if label is not None:
            raise DataError(f"the checkpoint tells class 0 from 1, and label {label} has other values")
        has_labels = False  # the label of the data is another quantity
    names = found.graphs.label_names if has_labels else trained.label_names
    targets = trained.targets
    if len(names) != targets:
        names = ("prediction",) if targets == 1 else tuple(str(target + 1) for target in range(targets))
    return Predictions(
        checkpoint=checkpoint,
        data=source.name,
        graphs=f"{max_num_nbr} neighbours{'' if trained.graphs else ' (assumed)'} within {radius:g} Å, ties {ties}",
        ids=crystals.ids,
        values=values.reshape(len(crystals), targets),
        classification=trained.network.classification,
        labels=crystals.labels if has_labels else None,
        label_names=names,
        left_out=found.left_out,
        notes=found.notes,
    )


def _short(value: float) -> float:
    """Return a value with the digits that a float32 network has."""
    return float(f"{value:.{DIGITS}g}")


def _are_classes(labels: Tensor) -> bool:
    """Return whether all labels, except missing ones, are 0 or 1."""
    return bool(((labels == 0) | (labels == 1) | labels.isnan()).all())


def _graph_settings(
    checkpoint: Path, trained: TrainedNetwork, max_num_nbr: int | None, radius: float | None, ties: str | None
) -> tuple[int, float, str]:
    """Return max_num_nbr, radius and ties. An argument must agree with the checkpoint.

    Raises:
        CheckpointError: An argument differs from the checkpoint.
    """
    if ties not in (None, *TIES):
        raise DataError(dh.errors.unknown_name("ties", str(ties), TIES))
    if trained.graphs is not None and max_num_nbr not in (None, trained.graphs.max_num_nbr):
        raise CheckpointError(
            f"{checkpoint} was trained on {trained.graphs.max_num_nbr} neighbours an atom, and max_num_nbr "
            f"{max_num_nbr} is asked for: leave that out"
        )
    if radius is not None and abs(radius - trained.radius) > 1e-6:
        raise CheckpointError(
            f"{checkpoint} was trained on neighbours within {trained.radius:g} Å, and radius {radius:g} is asked "
            "for: leave that out"
        )
    if trained.graphs is None:
        return max_num_nbr or ORIGINAL_NEIGHBOURS, round(trained.radius, 6), ties or ORIGINAL_TIES
    if ties not in (None, trained.graphs.ties):
        raise CheckpointError(
            f"{checkpoint} was trained with ties {trained.graphs.ties}, and {ties} is asked for: leave that out"
        )
    return trained.graphs.max_num_nbr, trained.graphs.radius, trained.graphs.ties


def _labels(source: Source, trained: TrainedNetwork, label: str | Sequence[str] | None) -> Any:
    """Return the labels to compare with: those that the user names, those of the training, or the data's first.

    Return None if there are none, or if the name of the data's first label differs from that of the training.
    """
    tables = source.tables()
    if label is not None:
        chosen = tables.chosen_labels(label)
        if len(chosen) != trained.targets:
            raise DataError(
                f"label is {', '.join(chosen)}, and the checkpoint predicts {trained.targets}: name as many labels"
            )
        return list(chosen)
    if trained.label_names and set(trained.label_names) <= set(tables.labels):
        return list(trained.label_names)
    first = list(tables.chosen_labels(None))
    is_another = bool(trained.label_names) and ID_TABLE not in (*first, *trained.label_names)
    return None if trained.targets > 1 or is_another else first


class _Described:
    """A source with the element features of the checkpoint.

    Raises:
        CheckpointError: The data has its own element features, and they differ from those of the checkpoint.
    """

    def __init__(self, source: Source, checkpoint: Path, trained: TrainedNetwork) -> None:
        self.name, self._source = source.name, source
        self._tables = _described(source, checkpoint, trained)

    def fingerprint(self) -> str:
        """Return the fingerprint of the source."""
        return self._source.fingerprint()

    def tables(self) -> Tables:
        """Return the tables of the source, with the element features of the checkpoint."""
        return self._tables

    def structures(self) -> Iterator[tuple[str, Written]]:
        """Yield the structures of the source."""
        return self._source.structures()


def _described(source: Source, checkpoint: Path, trained: TrainedNetwork) -> Tables:
    tables = source.tables()
    table, _ = element_table(tables.element_features)
    found, wanted = features_digest(table), trained.graphs.element_features if trained.graphs else None
    length = trained.network.embedding.in_features
    if found == wanted or (wanted is None and table.shape[1] == length):
        return tables
    is_own = tables.element_features != shipped_element_features()
    if wanted is not None and not is_own and trained.element_features is not None:
        return replace(tables, element_features=_by_number(trained.element_features))
    whose = f"atom_init.json of {source.name}" if is_own else "the paper's, which are taken here,"
    trained_on = f" of digest {wanted[:12]}" if wanted else ""
    raise CheckpointError(
        f"{checkpoint} was trained on {length} element features{trained_on}, and {whose} has {table.shape[1]} "
        f"of digest {found[:12]}: give the data the atom_init.json of the training"
    )


def _by_number(table: Tensor) -> dict[int, list[float]]:
    """Return the features by atomic number, for the elements that have some."""
    return {number: row for number, row in enumerate(table.tolist(), start=1) if any(row)}
