"""How wrong predictions are."""

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
    """Return the figure that a training goes by, and where there are several targets the MAE of each.

    Args:
        predictions: float64 (C, targets), as ``evaluation.predict`` returns them.
        labels: float64 (C, targets).
        classification: Whether predictions are probabilities of class 1.
        names: Of the targets.
        std: float64 (targets,), standard deviation of the training labels; several targets need it.

    Returns:
        Of one target ``mae``, in its unit; of a classification ``nll``, the mean negative log-likelihood; of several
        targets first ``scaled_mae``, the mean over targets of MAE / ``std``, then ``mae_<name>`` in their units.
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
    """Return all metrics of a set; arguments are those of ``training_error``, and its figures come first.

    Returns:
        For regression also ``rmse`` and ``r2``, with ``_<name>`` where there are several targets; for
        classification also ``accuracy``, ``auc`` and ``f1``. One that is not defined (R² of equal labels, AUC of
        one class) is NaN.
    """
    metrics = training_error(predictions, labels, classification, names, std)
    if classification:
        return metrics | _of_classes(predictions, labels)
    squares = (predictions - labels).square()
    spread = (labels - labels.mean(0)).square().sum(0)
    r2 = torch.where(labels.amax(0) > labels.amin(0), 1 - squares.sum(0) / spread, math.nan)
    return metrics | _named("rmse", squares.mean(0).sqrt().tolist(), names) | _named("r2", r2.tolist(), names)


def finite_or_none(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics as JSON can hold them: None for what is not defined."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _likelihoods(predictions: Tensor, labels: Tensor) -> Tensor:
    """Return what probability was given to the true class, float64 (C, 1)."""
    # a sure and wrong prediction is a large error, not an infinite one
    return torch.where(labels == 1, predictions, 1 - predictions).clamp(min=1e-12)


def _of_classes(predictions: Tensor, labels: Tensor) -> dict[str, float]:
    from sklearn.metrics import f1_score, roc_auc_score  # slow to import, and a regression needs none of it

    probabilities, classes = predictions.squeeze(1).numpy(), labels.squeeze(1).numpy()
    both = len(set(classes.tolist())) == 2
    return {
        "accuracy": (_likelihoods(predictions, labels) > 0.5).double().mean().item(),
        "auc": float(roc_auc_score(classes, probabilities)) if both else math.nan,
        "f1": float(f1_score(classes, probabilities > 0.5, zero_division=math.nan)),
    }


def _named(metric: str, values: Iterable[float], names: Sequence[str]) -> dict[str, float]:
    """Return a metric of each target, under its bare name where there is one target alone."""
    keys = [metric] if len(names) == 1 else [f"{metric}_{name}" for name in names]
    return dict(zip(keys, values, strict=True))
