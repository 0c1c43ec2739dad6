"""Metrics of predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor


def training_error(
    predictions: Tensor,
    labels: Tensor,
    classification: bool,
    names: Sequence[str] = ("label",),
    std: Tensor | None = None,
) -> dict[str, float]:
    """Return the error by which the best epoch is chosen, and the MAE of each target if there are several.

    Args:
        predictions: float64 (C, targets), as returned by ``evaluation.predict``.
        labels: float64 (C, targets).
        classification: Whether the predictions are probabilities of class 1.
        names: Names of the targets.
        std: float64 (targets,), standard deviation of the training labels; needed for several targets.

    Returns:
        - one target: ``mae``, in the unit of the label;
        - classification: ``nll``, the mean negative log-likelihood;
        - several targets: ``scaled_mae``, the mean over the targets of MAE / ``std``, then ``mae_<name>`` of each
          target in its unit.

    Example:
        >>> training_error(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [3.0]]), classification=False)
        {'mae': 0.5}
    """
    if classification:
        return {"nll": -_likelihoods(predictions, labels).log().mean().item()}
    errors = (predictions - labels).abs().mean(0)
    named = _named("mae", errors.tolist(), names)
    if len(names) == 1 or std is None:
        return named
    return {"scaled_mae": (errors / std).mean().item(), **named}


def measure(
    predictions: Tensor,
    labels: Tensor,
    classification: bool,
    names: Sequence[str] = ("label",),
    std: Tensor | None = None,
) -> dict[str, float]:
    """Return all metrics of a set. The arguments are those of ``training_error``.

    Returns:
        The metrics of ``training_error``; for a regression also ``rmse`` and ``r2`` (with ``_<name>`` if there are
        several targets), for a classification ``accuracy``, ``auc`` and ``f1``. An undefined metric is NaN, such as
        R² of equal labels or AUC of a single class.
    """
    metrics = training_error(predictions, labels, classification, names, std)
    if classification:
        return metrics | _of_classes(predictions, labels)
    squares = (predictions - labels).square()
    spread = (labels - labels.mean(0)).square().sum(0)
    r2 = torch.where(labels.amax(0) > labels.amin(0), 1 - squares.sum(0) / spread, math.nan)
    return metrics | _named("rmse", squares.mean(0).sqrt().tolist(), names) | _named("r2", r2.tolist(), names)


def finite_or_none(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics for JSON, with None for undefined ones."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _likelihoods(predictions: Tensor, labels: Tensor) -> Tensor:
    """Return the predicted probability of the true class, float64 (C, 1)."""
    # a wrong prediction of probability 1 has a large error, not an infinite one
    return torch.where(labels == 1, predictions, 1 - predictions).clamp(min=1e-12)


def _of_classes(predictions: Tensor, labels: Tensor) -> dict[str, float]:
    from sklearn.metrics import f1_score, roc_auc_score  # slow to import, and not needed for a regression

    probabilities, classes = predictions.squeeze(1).numpy(), labels.squeeze(1).numpy()
    both = len(set(classes.tolist())) == 2
    return {
        "accuracy": (_likelihoods(predictions, labels) > 0.5).double().mean().item(),
        "auc": float(roc_auc_score(classes, probabilities)) if both else math.nan,
        "f1": float(f1_score(classes, probabilities > 0.5, zero_division=math.nan)),
    }


def _named(metric: str, values: Iterable[float], names: Sequence[str]) -> dict[str, float]:
    """Return a metric of each target by name; a single target has the bare name of the metric."""
    keys = [metric] if len(names) == 1 else [f"{metric}_{name}" for name in names]
    return dict(zip(keys, values, strict=True))
