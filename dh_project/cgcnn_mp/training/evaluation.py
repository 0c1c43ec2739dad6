"""Predictions of a trained network, and the files ``predictions.csv`` and ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import dh_project as dh
from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer
from dh_project.cgcnn_mp.training.metrics import finite_or_none
from dh_project.cgcnn_mp.training.metrics import measure as measure

PREDICTIONS, METRICS = "predictions.csv", "metrics.json"
"""Files in a training's folder."""

TRAIN, VALIDATION, TEST = "train", "validation", "test"
"""Names of the sets in these files, in the order of the files."""

BATCH_SIZES = {"cpu": 128, "cuda": 1024}
"""Crystals per batch: small enough for the cache of a CPU core, large enough to use a whole GPU."""


def predict(
    network: CrystalGraphConvNet,
    normalizer: Normalizer,
    crystals: CrystalSet,
    batch_size: int | None = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Predict the labels of each crystal of a set.

    Args:
        network: The network; it is in evaluation mode afterwards.
        normalizer: The normalizer of its labels.
        crystals: C crystals, on the device of the network.
        batch_size: Crystals per batch; None: the value in ``BATCH_SIZES``.
        ranks: The ranks that share the work; each one gets all predictions.

    Returns:
        float64 (C, targets) on the CPU, in the units of the labels; for a classification the probability of class 1.
    """
    network.eval()
    size = batch_size or BATCH_SIZES[crystals.graphs.labels.device.type]
    share = replace(crystals, rows=ranks.share(crystals.rows))
    with torch.inference_mode():
        none = network.fc_out.weight.new_empty(0, network.fc_out.out_features)
        own = torch.cat([none, *(network(batch) for batch in share.batches(size))]).cpu().double()
        outputs = ranks.joined(own, len(crystals))
    return outputs[:, 1:].exp() if network.classification else normalizer.denorm(outputs)


def write_evaluation(
    folder: Path,
    sets: Mapping[str, CrystalSet],
    predictions: Mapping[str, Tensor],
    metrics: Mapping[str, Mapping[str, float]],
) -> None:
    """Write ``predictions.csv`` and ``metrics.json`` (by set) into a folder.

    The columns are id, set, label, prediction; for several targets ``label:<name>`` and ``prediction:<name>``.

    Args:
        folder: The folder for the files.
        sets: The sets by name.
        predictions: The predictions of each set, as returned by ``predict``.
        metrics: The metrics of each set, as returned by ``measure``; an undefined one is written as null.

    Raises:
        OSError: A file cannot be written.
    """
    rows = [row for name, crystals in sets.items() for row in _rows(name, crystals, predictions[name])]
    dh.files.write_table(folder / PREDICTIONS, rows)
    values = {name: finite_or_none(of_set) for name, of_set in metrics.items()}
    dh.files.write_whole(folder / METRICS, json.dumps(values, indent=2, allow_nan=False) + "\n")


def _rows(name: str, crystals: CrystalSet, predictions: Tensor) -> list[dict[str, Any]]:
    """Return a row of ``predictions.csv`` for each crystal of a set."""
    targets = crystals.graphs.label_names
    columns = [
        f"{column}:{target}" if len(targets) > 1 else column
        for target in targets
        for column in ("label", "prediction")
    ]
    pairs = torch.stack([crystals.labels, predictions], dim=2).flatten(1)
    return [
        {"id": identifier, "set": name, **dict(zip(columns, row, strict=True))}
        for identifier, row in zip(crystals.ids, pairs.tolist(), strict=True)
    ]
