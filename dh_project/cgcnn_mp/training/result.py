"""The result of a training."""

from __future__ import annotations

from dataclasses import dataclass

from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        network: The network with the weights of the best epoch, on the device of the training.
        normalizer: The normalizer of the labels.
        best_epoch: The epoch with the smallest validation error, counted from 1.
        epochs: Number of epochs that were run.
        seconds: Time of these epochs, including those before an interruption.
        training: Metrics of the best epoch on the training set, by the names of ``metrics.measure``.
        validation: The same metrics on the validation set.
        test: The same metrics on the test set; empty if there is none.
        kernels: Name of the kernels that computed the gated sum.
        began_anew: Why the training did not go on from the checkpoint that it was given; None if it did.
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
    began_anew: str | None = None

    @property
    def error(self) -> float:
        """Validation error of the best epoch, by which the best epoch was chosen."""
        return next(iter(self.validation.values()))
