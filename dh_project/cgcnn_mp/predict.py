"""Predicting crystals by a checkpoint: what ``deephyper predict`` does.

Graphs are made as the checkpoint says: its neighbours an atom, its radius, its element features. The original's
checkpoints tell the radius (their 41 Gaussians reach to 8 Å) and not the other two: 12 neighbours, the default of its
code, are assumed, and element features are those of the data, as in its ``predict.py``. Of equally far neighbours
those are kept for them that its code keeps, which goes by the order of atoms (where ours go by their surroundings):
in cubic SrTiO3 this is worth 0.1 eV/atom.
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
from dh_project.cgcnn_mp.crystals.sources import Location, Source, Written, find_crystals
from dh_project.cgcnn_mp.crystals.tables import ID_TABLE, Tables, shipped_element_features
from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.graphs.labelled_graphs import element_table, label_graphs
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


@dataclass(frozen=True)
class Predictions:
    """What a checkpoint says of crystals.

    Attributes:
        checkpoint: The file.
        data: Where the crystals came from, as messages call it.
        graphs: What the graphs were made with, in words.
        ids: Of the C crystals.
        values: float64 (C, targets), in the labels' units; of a classification the probability of class 1.
        classification: Whether it is one.
        labels: float64 (C, targets), NaN where there is none; None where the data has no such labels.
        label_names: Of the targets; one is called ``prediction`` where neither checkpoint nor data names it.
        left_out: Id to reason, of the crystals that cannot be predicted.
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

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a crystal: id, prediction, and where there are labels label and error.

        Columns of several targets are called ``prediction:<name>`` and so on. A classification has no error.
        """
        return [
            {"id": identifier, **dict(self._cells(position))} for position, identifier in enumerate(self.ids)
        ]

    def _cells(self, position: int) -> Iterator[tuple[str, float | str]]:
        for target, name in enumerate(self.label_names):
            ending = f":{name}" if len(self.label_names) > 1 else ""
            value = self.values[position, target].item()
            yield f"prediction{ending}", value
            if self.labels is not None:
                label = self.labels[position, target].item()
                is_there = label == label  # NaN is not
                yield f"label{ending}", label if is_there else ""
                if not self.classification:
                    yield f"error{ending}", value - label if is_there else ""

    def metrics(self) -> dict[str, tuple[int, dict[str, float]]]:
        """Return, by target, how many crystals have a label, and what ``measure`` says of those."""
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
    data: Location,
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
        checkpoint: Ours, or the original's (``.pth.tar``).
        data: What ``load_data`` takes, a CIF file, or a folder of CIF files.
        label: Which labels of the data to compare with, one a target; None: those that the checkpoint was trained
            on where the data has them, else the data's first.
        max_num_nbr: Neighbours an atom; None: the checkpoint's. It must be that where the checkpoint tells.
        radius: Cutoff radius, Å; the same.
        ties: Which of equally far neighbours are kept, as ``load_data`` says; None: the checkpoint's, and of the
            original's those of its code. The same.
        device: ``auto``, ``cpu``, ``cuda``, …
        batch_size: Crystals at a time; None: as many as suit the device.
        threads: CPU threads.
        cache_folder: Where graphs are kept.
        progress: Whether to show on standard error that graphs are being built.

    Raises:
        OSError: The checkpoint cannot be opened.
        CheckpointError: It is none, or it was trained on other graphs than are asked for.
        DataError: The data cannot be read, or no crystal of it can be predicted.
        ValueError: The device is not here.
    """
    where = find_device(device)
    trained = load_trained(checkpoint)
    max_num_nbr, radius, ties = _graph_settings(checkpoint, trained, max_num_nbr, radius, ties)
    folder = default_cache_folder() if cache_folder is None else Path(cache_folder).expanduser()
    source = _Described(find_crystals(data, folder), checkpoint, trained)
    chosen = _labels(source, trained, label)
    settings = DataSettings(
        label=chosen, max_num_nbr=max_num_nbr, radius=radius, ties=ties, cache_folder=folder
    )
    found = label_graphs(settings, source, progress, for_training=False)
    if not found.usable:
        first = "; ".join(
            f"{identifier}: {reason}" for identifier, reason in list(found.left_out.items())[:3]
        )
        more = "; …" if len(found.left_out) > 3 else ""
        raise DataError(f"no crystal of {source.name} can be predicted ({first}{more})")
    crystals = CrystalSet(found.graphs, torch.tensor(found.usable)).to(where)
    with limited_threads(threads):
        values = evaluation.predict(trained.network.to(where), trained.normalizer, crystals, batch_size)
    has_labels = chosen is not None and bool(crystals.labels.isfinite().any())
    if trained.network.classification and has_labels and not _are_classes(crystals.labels):
        if label is not None:
            raise DataError(f"the checkpoint tells class 0 from 1, and label {label} has other values")
        has_labels = False  # the data's own label is of something else
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
    )


def _are_classes(labels: Tensor) -> bool:
    """Say whether all labels that there are are 0 or 1."""
    return bool(((labels == 0) | (labels == 1) | labels.isnan()).all())


def _graph_settings(
    checkpoint: Path, trained: TrainedNetwork, max_num_nbr: int | None, radius: float | None, ties: str | None
) -> tuple[int, float, str]:
    """Return neighbours an atom, radius and ties; what is asked for must be what the checkpoint tells."""
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
    """Return the labels to compare with: those asked for, else those trained on, else the data's first.

    None where there are none, or the data's first is by its name another one than was trained on.
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
    """A source whose elements are described as the checkpoint's were.

    Raises:
        CheckpointError: The data describes them in its own, other way.
    """

    def __init__(self, source: Source, checkpoint: Path, trained: TrainedNetwork) -> None:
        self.name, self._source = source.name, source
        self._tables = _described(source, checkpoint, trained)

    def fingerprint(self) -> str:
        """Return that of the source."""
        return self._source.fingerprint()

    def tables(self) -> Tables:
        """Return the source's tables, with the checkpoint's element features."""
        return self._tables

    def structures(self) -> Iterator[tuple[str, Written]]:
        """Yield those of the source."""
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
    """Return features by atomic number, of the elements that have any."""
    return {number: row for number, row in enumerate(table.tolist(), start=1) if any(row)}
