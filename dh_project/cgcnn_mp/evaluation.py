"""What a trained network predicts, how wrong it is, and the files that tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dh_project.cgcnn_mp.graphs import CrystalSet
from dh_project.cgcnn_mp.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.normalizer import Normalizer
from dh_project.files import write_table, write_whole

BATCH_SIZE = 256


def predict(
    network: CrystalGraphConvNet, normalizer: Normalizer, crystals: CrystalSet, batch_size: int = BATCH_SIZE
) -> Tensor:
    """Predict the label of each crystal of a set, which lies on the network's device.

    Returns:
        float64 (C,) on the CPU: in the label's unit, or for classification the probability of class 1.
    """
    network.eval()
    with torch.inference_mode():
        outputs = torch.cat([network(batch) for batch in crystals.batches(batch_size)]).cpu().double()
    return outputs[:, 1].exp() if network.classification else normalizer.denorm(outputs[:, 0])


def measure(predictions: Tensor, labels: Tensor, classification: bool) -> dict[str, float]:
    """Compare predictions with labels, float64 (C,) and (C, 1).

    Returns:
        ``mae`` and ``rmse`` in the label's unit; for classification ``nll`` (the mean negative
        log-likelihood) and ``accuracy``. The first is the error that a training goes by.
    """
    labels = labels.squeeze(1)
    if classification:
        # a sure and wrong prediction is a large error, not an infinite one
        likelihoods = torch.where(labels == 1, predictions, 1 - predictions).clamp(min=1e-12)
        return {
            "nll": -likelihoods.log().mean().item(),
            "accuracy": (likelihoods > 0.5).double().mean().item(),
        }
    errors = predictions - labels
    return {"mae": errors.abs().mean().item(), "rmse": errors.square().mean().sqrt().item()}


def write_evaluation(
    folder: Path,
    sets: Mapping[str, CrystalSet],
    predictions: Mapping[str, Tensor],
    metrics: Mapping[str, Mapping[str, float]],
) -> None:
    """Write ``predictions.csv`` (id, set, label, prediction) and ``metrics.json`` (by set) into a folder.

    Args:
        folder: Where to write.
        sets: The sets by name.
        predictions: Of each set, as ``predict`` returns them.
        metrics: Of each set, as ``measure`` returns them.

    Raises:
        OSError: They cannot be written.
    """
    rows = [
        {"id": crystal, "set": name, "label": label, "prediction": value}
        for name, crystals in sets.items()
        for crystal, label, value in zip(
            crystals.ids, crystals.labels.squeeze(1).tolist(), predictions[name].tolist(), strict=True
        )
    ]
    write_table(folder / "predictions.csv", rows)
    write_whole(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
