"""What a training ended with."""

from __future__ import annotations

from dataclasses import dataclass

from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer


@dataclass(frozen=True)
class TrainingResult:
    """What a training ended with.

    Attributes:
        network: With the best epoch's weights, on the training's device.
        normalizer: Of the labels.
        best_epoch: Counted from 1.
        epochs: That were run.
        seconds: That they took, those before an interruption too.
        training: Metrics of the best epoch on the training set, as ``measure`` names them.
        validation: The same of the validation set.
        test: The same of the test set; empty where there is none.
        kernels: That computed the gated sum.
    """

    network: CrystalGraphConvNet
    normalizer: Normalizer
    best_epoch: int
    epochs: int
    seconds: float
    training: dict[str, float]
    validation: dict[str, float]
    test: dict[str, float]
    kernels: str

    @property
    def error(self) -> float:
        """Validation error of the best epoch: the figure that the training went by."""
        return next(iter(self.validation.values()))
