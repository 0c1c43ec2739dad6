"""Labels at zero mean and unit standard deviation, as the network learns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class Normalizer:
    """The affine map between labels and what the network predicts.

    Attributes:
        mean: In the label's unit.
        std: Standard deviation, in the label's unit.
    """

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def fit(cls, labels: Tensor) -> Self:
        """Fit to the labels of a training set, float64 (crystals,).

        Raises:
            ValueError: They are fewer than two, all one value, or not all finite.
        """
        if len(labels) < 2:
            raise ValueError(f"the training set has {len(labels)} crystals; a normaliser needs two at least")
        mean, std = labels.mean().item(), labels.std().item()
        if std == 0.0:
            raise ValueError(f"all labels of the training set are {mean:g}: there is nothing to learn")
        if not labels.isfinite().all():
            raise ValueError("the training set has labels that are NaN or infinite; leave those crystals out")
        return cls(mean, std)

    def norm(self, labels: Tensor) -> Tensor:
        """Return labels as the network learns them."""
        return (labels - self.mean) / self.std

    def denorm(self, outputs: Tensor) -> Tensor:
        """Return the network's outputs in the label's unit, in their own precision."""
        return outputs * self.std + self.mean
