"""The training loop: epochs, early stopping and checkpoints.

On a CPU, a training is a deterministic function of its sets, architecture and settings: the weights of two runs are
equal, bit for bit, even if one was interrupted after some epoch and resumed from its checkpoint.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from itertools import starmap
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

import dh_project as dh
from dh_project.cgcnn_mp.graphs.batches import Batch, CrystalSet, on_device
from dh_project.cgcnn_mp.network.cuda_graphs import RecordedSteps
from dh_project.cgcnn_mp.network.data_parallel import ALONE, Ranks
from dh_project.cgcnn_mp.network.devices import limited_threads
from dh_project.cgcnn_mp.network.kernels import count_gaussians
from dh_project.cgcnn_mp.network.kernels.choice import kernels_for, using_kernels
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.network.normalizer import Normalizer, check_classes
from dh_project.cgcnn_mp.training.checkpoint import (
    CheckpointError,
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
    """The state of a training: runs one epoch at a time, and makes and loads checkpoints.

    Args:
        architecture: Arguments of ``CrystalGraphConvNet``, without those that follow from the graphs.
        settings: How to train.
        train_set: Training crystals, on ``device``.
        valid_set: Validation crystals, on ``device``, which decide the best epoch.
        device: The device of the network.
        ranks: The ranks that train the network together, all with the same arguments.

    Attributes:
        identity: The settings and data that must be the same on all ranks, and when a training is resumed.

    Raises:
        ValueError: The labels cannot be learnt (all are equal, or classes are not 0 and 1), or a set is empty.
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
        """Name of the validation error in the history: ``val_mae``, ``val_scaled_mae`` or ``val_nll``."""
        if self.network.classification:
            return "val_nll"
        return "val_mae" if len(self.names) == 1 else "val_scaled_mae"

    @property
    def result(self) -> CrystalGraphConvNet:
        """The network that is validated and saved: with averaged weights, if there is an average."""
        return self.network if self.average is None else self.average.network

    @property
    def best_epoch(self) -> int:
        """The epoch with the smallest validation error, counted from 1; 0 before the first epoch."""
        errors = [row[self.error_name] for row in self.history]
        return errors.index(min(errors)) + 1 if errors else 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the patience is used up."""
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
        """Return the contents of the checkpoints after the last epoch; further training does not change them."""
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

    def restore(self, path: Path, changeable: Collection[str] = ()) -> None:
        """Load the state of a checkpoint; only the first rank reads the file.

        If settings have changed, the optimizer keeps its moments but not its settings, and the schedule is that of
        the present settings after the same number of epochs. Another kind of optimizer begins without moments.

        Args:
            path: The checkpoint.
            changeable: Names of settings that may differ from those of the checkpoint.

        Raises:
            OSError: The file cannot be opened.
            CheckpointError: The file contains no state to resume from, or is of another training.
        """
        state = self.ranks.of_first(_loaded(path) if self.ranks.is_first else {})
        if isinstance(state, Exception):  # on all ranks
            raise state
        check_resumable(path, state, self.identity, changeable)
        self.network.load_state_dict(state["state_dict"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.best_weights, self.history = state["best_state_dict"], state["history"]
        before, now = state["settings"], self.settings.identity()
        if all(before[name] == now[name] for name in changeable if name in now):
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
        else:
            self._catch_up_schedule()
            if before["optim"] == now["optim"]:
                settings = self.optimizer.state_dict()["param_groups"]
                self.optimizer.load_state_dict({**state["optimizer"], "param_groups": settings})
        self.shuffle.set_state(state["random"]["shuffle"])
        torch.set_rng_state(state["random"]["cpu"])
        if self.device.type == "cuda" and state["random"]["cuda"] is not None:
            torch.cuda.set_rng_state(state["random"]["cuda"], self.device)

    def _catch_up_schedule(self) -> None:
        """Take the steps of the schedule for the epochs of the history."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the optimizer has not taken these steps
            for _ in range(len(self.history) * math.ceil(len(self.train_set) / self.settings.batch_size)):
                self.schedule.step()

    def _normalised(self, crystals: CrystalSet) -> CrystalSet:
        """Return a set with normalised labels."""
        labels = self.normalizer.norm(crystals.graphs.labels)
        return replace(crystals, graphs=replace(crystals.graphs, labels=labels))

    def step(self, batch: Batch, share: float = 1.0) -> Tensor:
        """Take one optimizer step on a batch, without waiting for a GPU.

        A CUDA graph repeats this function, so Python's own counters are updated in ``_after_step``.

        Args:
            batch: A batch with normalised labels; of several ranks, this rank's share of it.
            share: The weight of this share in the mean loss of the batch.

        Returns:
            The mean loss of the whole batch, float32 scalar.
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
        """Seed the dropout of all ranks but the first by rank and epoch: masks differ, and resuming repeats them."""
        if not self.ranks.is_first:
            seed = f"{self.settings.seed}, rank {self.ranks.rank}, epoch {len(self.history) + 1}"
            torch.manual_seed(Random(seed).getrandbits(63))

    def _after_step(self) -> None:
        self.schedule.step()
        if self.average is not None:
            self.average.update(self.network)

    @cached_property
    def _losses(self) -> Callable[[Tensor, int], Iterator[Tensor]]:
        """Function that takes a step per batch; made after ``restore``, because a CUDA graph records the state."""
        graphs = self.train_set.graphs
        if self.settings.cuda_graphs:
            return RecordedSteps(graphs, self.step, self.optimizer).losses
        if self.ranks.size > 1:
            return lambda rows, batch_size: starmap(
                self.step, shared_batches(graphs, rows, batch_size, self.ranks)
            )
        return lambda rows, batch_size: map(self.step, graphs.batches(rows, batch_size))

    def _learn(self) -> float:
        """Train on the whole training set once and return the mean loss."""
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
    changeable: Collection[str] | None = None,
    on_epoch: Callable[[int, float], bool] | None = None,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train a network, keep the weights of its best epoch, and evaluate them.

    Args:
        train_set: Training crystals; the normalizer of the labels is fitted on them only.
        valid_set: Validation crystals, which decide the best epoch.
        test_set: Test crystals; None: there is no test set.
        architecture: Arguments of ``CrystalGraphConvNet``, without those that follow from the graphs.
        settings: How to train; None: the defaults of the original CGCNN.
        folder: The folder for checkpoints, ``history.csv``, ``predictions.csv`` and ``metrics.json``; None: nothing
            is written.
        resume: Checkpoint ``last.pt`` of an interrupted training to resume from.
        changeable: Names of settings that may differ from those of the checkpoint. If this is given, training begins
            anew if it cannot go on from the checkpoint, and ``on_epoch`` is first called with its last epoch, because
            the search may have been killed before it knew of this epoch.
        on_epoch: Called after each epoch with its number, from 1, and its validation error (the first value of
            ``metrics.training_error``). If it returns False, training ends.
        ranks: The ranks that train the network together. All call this function with the same sets and settings,
            and all get the result. ``folder``, ``resume`` and ``on_epoch`` of the first rank are used.

    Returns:
        The result, with the weights of the best epoch.

    Raises:
        ValueError: The device is not available, the labels cannot be learnt, the checkpoint does not fit, or the
            sets or settings of the ranks differ.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.

    Example:
        >>> from dh_project.cgcnn_mp.load_data import load_data
        >>> result = train(*load_data("flla"), settings=Settings(epochs=5))  # doctest: +SKIP
        >>> result.validation["mae"]  # doctest: +SKIP
        0.31
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
            resume, began_anew = ranks.of_first(resume), None
            if resume is not None:
                try:
                    training.restore(resume, changeable or ())
                    saver.save()
                except (CheckpointError, FileNotFoundError) as refused:
                    if changeable is None:
                        raise
                    began_anew = dh.errors.one_line(refused)
                    print(f"training begins anew: {began_anew}", flush=True)
            go_on = True
            if changeable is not None and training.history and on_epoch is not None and ranks.is_first:
                go_on = on_epoch(len(training.history), training.history[-1][training.error_name])
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
        began_anew=began_anew,
    )


def _loaded(path: Path) -> dict[str, Any] | Exception:
    """Return the contents of a checkpoint, or the error, so that the first rank can send it to the others."""
    try:
        return load_checkpoint(path)
    except (OSError, CheckpointError) as error:
        return error
