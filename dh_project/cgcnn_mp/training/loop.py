"""Training: epochs until they are done, or bring nothing more, with checkpoints on the way.

A training is a pure function of its sets, architecture and settings: on a CPU two of them are equal in every
bit of their weights, also where one was interrupted after any epoch and went on from its checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from itertools import starmap
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalSet, on_device
from dh_project.cgcnn_mp.network.cuda_graphs import RecordedSteps
from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks
from dh_project.cgcnn_mp.network.devices import limited_threads
from dh_project.cgcnn_mp.network.kernels import count_gaussians
from dh_project.cgcnn_mp.network.kernels.choice import kernels_for, using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer, check_classes
from dh_project.cgcnn_mp.training.checkpoint import (
    GraphSettings,
    check_resumable,
    fingerprint,
    load_checkpoint,
)
from dh_project.cgcnn_mp.training.evaluation import TEST, TRAIN, VALIDATION, predict, write_evaluation
from dh_project.cgcnn_mp.training.losses import LOSSES, negative_log_likelihood
from dh_project.cgcnn_mp.training.metrics import measure, training_error
from dh_project.cgcnn_mp.training.result import TrainingResult
from dh_project.cgcnn_mp.training.saving import Checkpoints, Saver, copied
from dh_project.cgcnn_mp.training.schedules import make_schedule
from dh_project.cgcnn_mp.training.settings import Settings
from dh_project.cgcnn_mp.training.shares import shared_batches
from dh_project.cgcnn_mp.training.weight_averaging import WeightAverage


class Training:
    """A network on its way: the step from one epoch to the next, and all that a checkpoint must hold.

    Args:
        architecture: Arguments of ``CrystalGraphConvNet``, but for those that the graphs tell.
        settings: How to train.
        train_set: Crystals to learn from, on ``device``.
        valid_set: Crystals to choose the best epoch by, on ``device``.
        device: Where the network lies.
        ranks: Who trains it, each with the same arguments.

    Attributes:
        identity: What a training that goes on, and each of its ranks, must share.

    Raises:
        ValueError: The labels cannot be learnt (one value only, or no classes 0 and 1), or a set is empty.
    """

    def __init__(
        self,
        architecture: Mapping[str, Any],
        settings: Settings,
        train_set: CrystalSet,
        valid_set: CrystalSet,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.settings, self.valid_set, self.device, self.ranks = settings, valid_set, device, ranks
        self.names = train_set.graphs.label_names
        torch.manual_seed(settings.seed)
        self.shuffle = torch.Generator().manual_seed(settings.seed)
        self.network = CrystalGraphConvNet(
            orig_atom_fea_len=train_set.graphs.element_features.shape[1],
            nbr_fea_len=count_gaussians(train_set.graphs.radius),
            targets=len(self.names),
            **architecture,
        ).to(device)
        if not len(valid_set):
            raise ValueError("the validation set is empty: the best epoch is chosen by it")
        self.normalizer = Normalizer.fit(train_set.labels)
        if self.network.classification:
            for crystals in (train_set, valid_set):
                check_classes(crystals.labels)
            self.normalizer = Normalizer()
        self.train_set = self._normalised(train_set)
        self.valid_labels = valid_set.labels
        self.loss = negative_log_likelihood if self.network.classification else LOSSES[settings.loss]
        self.optimizer = settings.make_optimizer(self.network)
        steps_per_epoch = math.ceil(len(train_set) / settings.batch_size)
        self.schedule = make_schedule(self.optimizer, settings, steps_per_epoch)
        self.average = WeightAverage(self.network, settings.averaging) if settings.averaging else None
        self.history: list[dict[str, float]] = []
        self.best_weights: dict[str, Tensor] = {}
        self.identity = {
            "graphs": asdict(GraphSettings.of(train_set)),
            "model": dict(architecture),
            "data": {
                "labels": list(self.names),
                "training set": fingerprint(train_set),
                "validation set": fingerprint(valid_set),
            },
            "settings": settings.identity(),
        }

    @property
    def error_name(self) -> str:
        """Name of the validation error in the history."""
        if self.network.classification:
            return "val_nll"
        return "val_mae" if len(self.names) == 1 else "val_scaled_mae"

    @property
    def result(self) -> CrystalGraphConvNet:
        """The network that is validated and kept: the average of its weights, if there is one."""
        return self.network if self.average is None else self.average.network

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, of the least validation error; 0 before the first."""
        errors = [row[self.error_name] for row in self.history]
        return errors.index(min(errors)) + 1 if errors else 0

    @property
    def finished(self) -> bool:
        """Whether the epochs are done, or the validation error has not fallen for too long."""
        done, patience = len(self.history), self.settings.patience
        return done >= self.settings.epochs or (patience is not None and done - self.best_epoch >= patience)

    def run_epoch(self) -> float:
        """Train one epoch and return its validation error.

        Raises:
            FloatingPointError: The loss or the error is NaN or infinite.
        """
        started = time.monotonic()
        epoch = len(self.history) + 1
        rate = self.optimizer.param_groups[0]["lr"]
        loss = self._learn()
        predictions = predict(self.result, self.normalizer, self.valid_set, ranks=self.ranks)
        errors = self.ranks.of_first(
            training_error(
                predictions, self.valid_labels, self.network.classification, self.names, self.normalizer.std
            )
        )
        error = next(iter(errors.values()))
        for name, value in (("training loss", loss), (f"validation error ({self.error_name})", error)):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the {name} is {value} in epoch {epoch} at learning rate {rate:g}: the training "
                    "diverged; try a smaller learning rate, or Adam"
                )
        self.history.append(
            {
                "epoch": epoch,
                "train_loss": loss,
                **{f"val_{name}": value for name, value in errors.items()},
                "learning_rate": rate,
                "seconds": time.monotonic() - started,
            }
        )
        if self.best_epoch == epoch:
            self.best_weights = copied(self.result.state_dict())
        return error

    def checkpoints(self) -> Checkpoints:
        """Return what the checkpoints hold after the last epoch; training on does not change it."""
        shared = {
            **self.identity,
            "normalizer": asdict(self.normalizer),
            "element_features": self.train_set.graphs.element_features.cpu(),
        }
        state = {
            "state_dict": copied(self.network.state_dict()),
            "average": None if self.average is None else copied(self.average.state_dict()),
            "optimizer": copied(self.optimizer.state_dict()),
            "schedule": copied(self.schedule.state_dict()),
            "best_state_dict": self.best_weights,
            "history": list(self.history),
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
                "shuffle": self.shuffle.get_state(),
            },
        }
        best = {**self.history[self.best_epoch - 1], "state_dict": self.best_weights}
        return Checkpoints(best={**shared, **best}, last={**shared, **state})

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint, which the first rank alone reads.

        Raises:
            OSError: It cannot be opened.
            CheckpointError: It is none to go on from, or that of another training.
        """
        state = self.ranks.of_first(load_checkpoint(path) if self.ranks.is_first else {})
        check_resumable(path, state, self.identity)
        self.network.load_state_dict(state["state_dict"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.best_weights, self.history = state["best_state_dict"], state["history"]
        self.shuffle.set_state(state["random"]["shuffle"])
        torch.set_rng_state(state["random"]["cpu"])
        if self.device.type == "cuda" and state["random"]["cuda"] is not None:
            torch.cuda.set_rng_state(state["random"]["cuda"], self.device)

    def _normalised(self, crystals: CrystalSet) -> CrystalSet:
        """Return a set with labels as the network learns them."""
        labels = self.normalizer.norm(crystals.graphs.labels)
        return replace(crystals, graphs=replace(crystals.graphs, labels=labels))

    def step(self, batch: Batch, share: float = 1.0) -> Tensor:
        """Learn from one batch of normalised labels and return its mean loss; a GPU is not waited for.

        Of several ranks each gives its share of the batch, and what the mean loss of that weighs in the batch's; the
        loss of the batch is returned. A CUDA graph repeats this; what Python counts is in ``_after_step``.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.mixed_precision):
            outputs = self.network(batch)
        loss = self.loss(outputs.float(), batch.labels)
        if self.ranks.size > 1:
            loss = share * loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        loss = self.ranks.add_gradients(self.network.parameters(), loss.detach())
        if self.settings.clip_norm is not None:
            clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return loss

    def _reseed_dropout(self) -> None:
        """Let each rank drop other features, and the same ones where a training goes on; the first is as if alone."""
        if not self.ranks.is_first:
            seed = f"{self.settings.seed}, rank {self.ranks.rank}, epoch {len(self.history) + 1}"
            torch.manual_seed(Random(seed).getrandbits(63))

    def _after_step(self) -> None:
        self.schedule.step()
        if self.average is not None:
            self.average.update(self.network)

    @cached_property
    def _losses(self) -> Callable[[Tensor, int], Iterator[Tensor]]:
        """Takes a step for each batch of some rows; made at the first, for a recording keeps what was restored."""
        graphs = self.train_set.graphs
        if self.settings.cuda_graphs:
            return RecordedSteps(graphs, self.step, self.optimizer).losses
        if self.ranks.size > 1:
            return lambda rows, batch_size: starmap(
                self.step, shared_batches(graphs, rows, batch_size, self.ranks)
            )
        return lambda rows, batch_size: map(self.step, graphs.batches(rows, batch_size))

    def _learn(self) -> float:
        """Pass over the training set once and return the mean loss."""
        self.network.train()
        self._reseed_dropout()
        rows, batch_size = self.train_set.shuffled(self.shuffle), self.settings.batch_size
        total = torch.zeros((), device=self.device)
        for part, loss in zip(rows.split(batch_size), self._losses(rows, batch_size), strict=True):
            self._after_step()
            total += loss * len(part)
        return total.item() / len(rows)


def train(
    train_set: CrystalSet,
    valid_set: CrystalSet,
    test_set: CrystalSet | None = None,
    *,
    architecture: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    folder: Path | None = None,
    resume: Path | None = None,
    on_epoch: Callable[[int, float], bool] | None = None,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train a network, keep its best epoch, and test that one once.

    Args:
        train_set: Crystals to learn from; the label normaliser is fitted on them alone.
        valid_set: Crystals to choose the best epoch by.
        test_set: Crystals to test the best epoch on.
        architecture: Arguments of ``CrystalGraphConvNet``, but for those that the graphs tell.
        settings: How to train; None: the original's defaults.
        folder: Where to leave checkpoints, ``history.csv``, ``predictions.csv`` and ``metrics.json``; None:
            nothing is written.
        resume: Checkpoint ``last.pt`` of an interrupted training to go on from.
        on_epoch: Called after each epoch with its number, from 1, and its validation error, the
            first figure of ``metrics.training_error``; training ends where it answers False.
        ranks: Who trains the network; each calls this with the same sets and settings, and has the outcome.
            ``folder``, ``resume`` and ``on_epoch`` are the first one's; the others' are not looked at.

    Returns:
        The outcome.

    Raises:
        ValueError: The device is not here, the labels cannot be learnt, the checkpoint does not fit, or the ranks'
            sets or settings differ.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.
    """
    settings = settings or Settings()
    device = settings.find_device()
    sets = {TRAIN: train_set, VALIDATION: valid_set} | ({TEST: test_set} if test_set else {})
    sets = on_device(sets, device)
    with (
        limited_threads(settings.threads),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        using_kernels(settings.kernels),
    ):
        training = Training(architecture or {}, settings, sets[TRAIN], sets[VALIDATION], device, ranks)
        if training.network.classification and test_set:
            check_classes(test_set.labels)
        ranks.check_alike(training.identity)
        with Saver(training.checkpoints, folder if ranks.is_first else None) as saver:
            resume = ranks.of_first(resume)
            if resume is not None:
                training.restore(resume)
                saver.save()
            go_on = True
            while ranks.of_first(go_on and not training.finished):
                error = training.run_epoch()
                saver.save_if_due()
                if on_epoch is not None and ranks.is_first:
                    go_on = on_epoch(len(training.history), error)
        network, normalizer = training.network, training.normalizer
        network.load_state_dict(training.best_weights)
        predictions = {
            name: predict(network, normalizer, crystals, ranks=ranks) for name, crystals in sets.items()
        }
        metrics = {
            name: measure(
                predictions[name], crystals.labels, network.classification, training.names, normalizer.std
            )
            for name, crystals in sets.items()
        }
        kernels = kernels_for(next(network.parameters())).__name__.rpartition(".")[2].removesuffix("_gate")
    if folder is not None and ranks.is_first:
        write_evaluation(folder, sets, predictions, metrics)
    return TrainingResult(
        network=network,
        normalizer=normalizer,
        best_epoch=training.best_epoch,
        epochs=len(training.history),
        seconds=sum(row["seconds"] for row in training.history),
        training=metrics[TRAIN],
        validation=metrics[VALIDATION],
        test=metrics.get(TEST, {}),
        kernels=kernels,
    )
