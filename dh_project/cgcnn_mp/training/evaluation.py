"""What a trained network predicts, and the files that tell it."""

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
"""Names of the sets in these files, where they stand in this order."""

BATCH_SIZES = {"cpu": 128, "cuda": 1024}
"""Crystals a batch: what stays in the cache of a CPU's core, and what fills a GPU."""


def predict(
    network: CrystalGraphConvNet,
    normalizer: Normalizer,
    crystals: CrystalSet,
    batch_size: int | None = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Predict the labels of each crystal of a set, which lies on the network's device.

    Args:
        network: It is in evaluation mode afterwards.
        normalizer: Of its labels.
        crystals: What to predict.
        batch_size: Crystals at a time; None: those of ``BATCH_SIZES``.
        ranks: Each computes a share, and has the predictions of all.

    Returns:
        float64 (C, targets) on the CPU: in the labels' units, or for classification the probability of class 1.
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

    The columns are id, set, label, prediction; of several targets ``label:<name>`` and ``prediction:<name>``.

    Args:
        folder: Where to write.
        sets: The sets by name.
        predictions: Of each set, as ``predict`` returns them.
        metrics: Of each set, as ``measure`` returns them; one that is not defined is null.

    Raises:
        OSError: They cannot be written.
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
