"""CGCNN's run function: train it with one choice of hyperparameters, and say how good it is.

It runs in a search (``--run dh_project.cgcnn_mp.model_run.run``) and alone: ``run({"lr": 0.02})``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

import dh_project as dh
from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.crystals.sources import Location
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
from dh_project.cgcnn_mp.load_data import split_graphs
from dh_project.cgcnn_mp.network.data_parallel import met, own_device, own_ranks
from dh_project.cgcnn_mp.network.devices import peak_memory_mb
from dh_project.cgcnn_mp.network.kernels.choice import warm_up
from dh_project.cgcnn_mp.network.normalizer import Normalizer, check_classes
from dh_project.cgcnn_mp.training.loop import train
from dh_project.cgcnn_mp.training.metrics import finite_or_none
from dh_project.cgcnn_mp.training.option import Option, keyword_options
from dh_project.cgcnn_mp.training.outcome import Outcome
from dh_project.cgcnn_mp.training.saving import LAST
from dh_project.cgcnn_mp.training.settings import Settings

warm_up()  # a trial is a fork of a process that has imported this module: it finds the kernels there

ORIGINAL: dict[str, Any] = {
    "lr": 0.01,
    "weight_decay": 0.0,
    "batch_size": 256,
    "optim": "SGD",
    "atom_fea_len": 64,
    "h_fea_len": 128,
    "n_conv": 3,
    "n_h": 1,
    "max_num_nbr": 12,
    "dropout": 0.0,
}
"""The hyperparameters, with the defaults of the original code."""

ARCHITECTURE = ("atom_fea_len", "h_fea_len", "n_conv", "n_h", "dropout")
TASKS = ("regression", "classification")


def run(
    point: Mapping[str, Any],
    *,
    task: str = "regression",
    loss: str = "mse",
    epochs: int = 30,
    patience: int | None = 10,
    schedule: str = "multi-step",
    milestones: Sequence[int] = (100,),
    clip_norm: float | None = None,
    averaging: float = 0.0,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    kernels: str = "auto",
    mixed_precision: bool = False,
    cuda_graphs: bool = False,
    folder: Location | None = None,
    **data_settings: Any,
) -> float:
    """Train CGCNN and return its objective.

    Each epoch is reported; the answer can end the training, which keeps its best epoch. Where the attempt
    before this one was interrupted, it goes on from that one's last epoch.

    Each of the processes of a data-parallel trial calls this; together they train one network, and the first of them
    writes, reports and records.

    Args:
        point: Hyperparameters, any of ``ORIGINAL``; one that is missing takes its value there.
        task: ``regression``, or ``classification`` of a label that is 0 or 1; there dropout is the original's 0.5
            unless the point says another.
        loss: Of a regression: ``mse``, ``l1`` or ``huber``.
        epochs: Epochs at most.
        patience: Epochs without a better validation error after which training ends; None: never.
        schedule: Of the learning rate: ``multi-step``, ``cosine`` or ``one-cycle``; the last two take all of the
            epochs, so let patience be None.
        milestones: Epochs after which a ``multi-step`` learning rate falls to a tenth.
        clip_norm: Norm of the gradients at most; None: any.
        averaging: Decay a step of the moving average of the weights, such as 0.99, which is then what is validated
            and kept; 0: no average.
        seed: Of initial weights, dropout and the order of crystals.
        device: ``auto`` (the GPU where there is one), ``cpu``, ``cuda``, ``cuda:1`` …
        threads: CPU threads. One a trial is the fastest use of many cores.
        kernels: What computes the gated sum; ``auto`` is the fastest that fits the device.
        mixed_precision: Whether a GPU multiplies matrices in bfloat16.
        cuda_graphs: Whether a GPU repeats recorded steps, which spares the CPU's work. Experimental.
        folder: Where to leave weights, checkpoints, history and predictions; None: the trial's folder, and
            outside a search nothing is written.
        **data_settings: Fields of ``DataSettings``: ``data``, ``label``, ``radius``, ``train_ratio`` … Not
            ``max_num_nbr``, which is a hyperparameter.

    Returns:
        Minus the validation error of the best epoch: of one label its MAE, in its unit (formation energy: eV/atom);
        of several the mean over them of MAE / standard deviation of the training labels; of a classification the
        mean negative log-likelihood.

    Raises:
        ValueError: A name or a value is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
    """
    _check_names(data_settings)
    values = complete_point(point)
    settings = Settings(
        **{name: values[name] for name in ("lr", "weight_decay", "batch_size", "optim")},
        loss=loss,
        epochs=epochs,
        patience=patience,
        schedule=schedule,
        milestones=tuple(milestones),
        clip_norm=clip_norm,
        averaging=averaging,
        seed=seed,
        device=device,
        threads=threads,
        kernels=kernels,
        mixed_precision=mixed_precision,
        cuda_graphs=cuda_graphs,
    )
    where = _own_device(settings)
    architecture = {name: values[name] for name in ARCHITECTURE} | _head(task, point)
    crystals = crystals_of(values, data_settings)
    sets = split_graphs(label_graphs(crystals), crystals)
    home = dh.trial_folder() if folder is None else Path(folder)
    before = dh.previous_folder(holding=LAST)
    with met(where) as ranks:
        if home is not None and ranks.is_first:
            home.mkdir(parents=True, exist_ok=True)
        outcome = train(
            *sets,
            architecture=architecture,
            settings=replace(settings, device=str(where)),
            folder=home,
            resume=before / LAST if before is not None else None,
            on_epoch=lambda epoch, error: dh.report(epoch, -error),
            ranks=ranks,
        )
    if not ranks.is_first:
        return -outcome.error
    dh.record(
        **_errors(outcome),
        best_epoch=outcome.best_epoch,
        epochs=outcome.epochs,
        parameters=sum(weights.numel() for weights in outcome.network.parameters()),
        seconds=outcome.seconds,
        device=str(where),
        peak_memory_mb=peak_memory_mb(where),
        seed=seed,
        threads=threads,
        ranks=ranks.size,
        kernels=outcome.kernels,
    )
    return -outcome.error


def _own_device(settings: Settings) -> torch.device:
    """Return the device of this rank.

    Raises:
        ValueError: It is not here, or several ranks cannot do what is asked for.
    """
    if settings.cuda_graphs and own_ranks().size > 1:
        raise ValueError(
            f"cuda_graphs records the steps of one rank, and there are {own_ranks().size}: leave it out"
        )
    return own_device(settings.find_device())


def _head(task: str, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the network that the task decides."""
    if task not in TASKS:
        raise ValueError(dh.errors.unknown_name("task", task, TASKS))
    if task == "regression":
        return {}
    return {"classification": True, "dropout": point.get("dropout")}


def _errors(outcome: Outcome) -> dict[str, float | None]:
    """Return the facts of how wrong a training ended: the errors of a regression, all metrics of a classification.

    A test set that is not there has the same facts, of None.
    """
    names = [name for name in outcome.validation if not name.startswith(("rmse", "r2"))]
    sets = {"val": finite_or_none(outcome.validation), "test": finite_or_none(outcome.test)}
    return {f"{which}_{name}": metrics.get(name) for which, metrics in sets.items() for name in names}


def complete_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return all hyperparameters of a point, each of its type.

    Raises:
        ValueError: The point has a name that is no hyperparameter of CGCNN, or a value of another type.
    """
    values = dict(ORIGINAL)
    for name, value in point.items():
        if name not in ORIGINAL:
            raise ValueError(dh.errors.unknown_name("hyperparameter", name, ORIGINAL))
        kind = type(ORIGINAL[name])
        try:
            values[name] = kind(value)
        except (TypeError, ValueError):
            values[name] = None
        if values[name] != value or (kind is int and value < 1):
            whole = "a whole number from 1 on" if kind is int else f"a {kind.__name__}"
            raise ValueError(f"{name} is {value!r}; it must be {whole}")
    return values


def run_options(texts: Mapping[str, str] | None = None) -> dict[str, Option]:
    """Return the keyword arguments that ``run`` takes, by name: data settings first, then its own.

    Args:
        texts: The meaning of each argument.
    """
    options = keyword_options(DataSettings, texts) | keyword_options(run, texts)
    return {name: option for name, option in options.items() if name not in ORIGINAL}


def _check_names(arguments: Mapping[str, Any]) -> None:
    """Check that ``run`` takes these keyword arguments.

    Raises:
        ValueError: It does not take one of them.
    """
    names = run_options()
    for name in arguments:
        if name not in names:
            raise ValueError(dh.errors.unknown_name("argument", name, names))


def crystals_of(values: Mapping[str, Any], run_kwargs: Mapping[str, Any]) -> DataSettings:
    """Return the data settings of a training.

    Args:
        values: All hyperparameters.
        run_kwargs: Arguments of ``run``, of which those that are data settings are used.

    Raises:
        DataError: A value is invalid.
    """
    names = {field.name for field in fields(DataSettings)} & set(run_kwargs)
    return DataSettings(max_num_nbr=values["max_num_nbr"], **{name: run_kwargs[name] for name in names})


def prepare(**run_kwargs: Any) -> None:
    """Check the arguments of ``run`` and build its graphs, once before a search, so that no trial must.

    Raises:
        ValueError: An argument is unknown or wrong, the device is not here, or the data cannot be used or learnt.
    """
    _check_names(run_kwargs)
    options = run_options()
    for name, value in run_kwargs.items():
        options[name].check(value)
    if run_kwargs.get("folder") is not None:
        raise ValueError("folder: each trial of a search has its own; leave it out")
    arguments = {name: option.default for name, option in options.items()} | run_kwargs
    training = {field.name for field in fields(Settings)} & set(arguments)
    settings = {name: arguments[name] for name in training} | {"milestones": tuple(arguments["milestones"])}
    _own_device(Settings(**settings))
    _head(arguments["task"], {})
    crystals = crystals_of(ORIGINAL, run_kwargs)
    train_set, _, _ = split_graphs(label_graphs(crystals), crystals)
    Normalizer.fit(train_set.labels)
    if arguments["task"] == "classification":
        check_classes(train_set.labels)
