"""Scales labels to zero mean and unit standard deviation for the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, init=False)
class Normalizer:
    """The affine map between labels and the outputs of the network.

    A plain number stands for one target, as in the checkpoints of the original code.

    >>> normalizer = Normalizer.fit(torch.tensor([[1.0], [3.0]], dtype=torch.float64))
    >>> normalizer.denorm(torch.zeros(1, 1))
    tensor([[2.]])

    Attributes:
        mean: float64 (targets,), in the labels' units.
        std: float64 (targets,), standard deviation, in the labels' units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Any = 0.0, std: Any = 1.0) -> None:
        for name, value in (("mean", mean), ("std", std)):
            object.__setattr__(self, name, torch.as_tensor(value, dtype=torch.float64).cpu().reshape(-1))

    @classmethod
    def fit(cls, labels: Tensor) -> Self:
        """Return the normalizer of a training set.

        Args:
            labels: float64 (crystals, targets).

        Raises:
            ValueError: There are fewer than two labels, all are equal, or one is not finite.
        """
        if len(labels) < 2:
            raise ValueError(f"the training set has {len(labels)} crystals; a normaliser needs two at least")
        if not labels.isfinite().all():
            raise ValueError("the training set has labels that are NaN or infinite; leave those crystals out")
        for values in labels.unbind(1):
            if (values == values[0]).all():
                raise ValueError(
                    f"all labels of the training set are {values[0]:g}: there is nothing to learn"
                )
        return cls(labels.mean(0), labels.std(0))

    def norm(self, labels: Tensor) -> Tensor:
        """Return (labels - mean) / std, (crystals, targets), in the precision of the labels."""
        return (labels - self.mean.to(labels)) / self.std.to(labels)

    def denorm(self, outputs: Tensor) -> Tensor:
        """Return outputs * std + mean, (crystals, targets), in the units of the labels."""
        return outputs * self.std.to(outputs) + self.mean.to(outputs)


def check_classes(labels: Tensor) -> None:
    """Check the labels of a classification. They are not normalised.

    Args:
        labels: float64 (crystals, targets).

    Raises:
        ValueError: There are several targets, or labels other than 0 and 1.
    """
    if labels.shape[1] > 1:
        raise ValueError(f"classification learns one label, and there are {labels.shape[1]}")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("classification needs labels 0 and 1, and there are others")
