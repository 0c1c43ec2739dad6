"""CGCNN's run function: train it with one choice of hyperparameters, and say how good it is.

It runs in a search (``--run dh_project.cgcnn_mp.model_run.run``) and alone: ``run({"lr": 0.02})``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from dh_project.cgcnn_mp.crystals.errors import unknown
from dh_project.cgcnn_mp.load_data import Location, load_data
from dh_project.cgcnn_mp.network.data_parallel import met, own_device, own_ranks
from dh_project.cgcnn_mp.network.devices import peak_memory_mb
from dh_project.cgcnn_mp.network.kernels.choice import warm_up
from dh_project.cgcnn_mp.network.normalizer import Normalizer, check_classes
from dh_project.cgcnn_mp.training.loop import train
from dh_project.cgcnn_mp.training.metrics import finite_or_none
from dh_project.cgcnn_mp.training.option import keyword_options
from dh_project.cgcnn_mp.training.result import TrainingResult
from dh_project.cgcnn_mp.training.saving import LAST
from dh_project.cgcnn_mp.training.settings import Settings
from dh_project.trial.reporting import previous_folder, record, report, trial_folder

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
    data: Location | Sequence[Location] = "flla",
    label: str | Sequence[str] | None = None,
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
    radius: float = 8.0,
    train_ratio: float = 0.6,
    val_ratio: float = 0.2,
    test_ratio: float = 0.2,
    split_seed: int = 0,
    split_files: Location | Sequence[Location] | None = None,
    group_by: str | None = None,
    max_lost_share: float = 0.05,
    ties: str = "environment",
    cache_folder: Location | None = None,
    folder: Location | None = None,
) -> float:
    """Train CGCNN and return its objective.

    Each epoch is reported; the answer can end the training, which keeps its best epoch. Where the attempt
    before this one was interrupted, it goes on from that one's last epoch.

    Each of the processes of a data-parallel trial calls this; together they train one network, and the first of them
    writes, reports and records.

    Args:
        point: Hyperparameters, any of ``ORIGINAL``; one that is missing takes its value there.
        data: What to train on; it and the arguments from ``radius`` to ``cache_folder`` are ``load_data``'s.
        label: Which of its labels to learn; several, in a list or in one string with commas, are learnt at once.
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
        radius: Cutoff radius, Å.
        train_ratio: Share of training crystals.
        val_ratio: Share of validation crystals.
        test_ratio: Share of test crystals.
        split_seed: Seed of the split.
        split_files: Files that say the split.
        group_by: What crystals share that are all in one set: ``composition`` or ``chemical_system``.
        max_lost_share: Share of crystals that may be left out.
        ties: Which of equally far neighbours are kept that the count cuts: ``environment``, or ``pymatgen`` as the
            original does.
        cache_folder: Where graphs are kept.
        folder: Where to leave weights, checkpoints, history and predictions; None: the trial's folder, and
            outside a search nothing is written.

    Returns:
        Minus the validation error of the best epoch: of one label its MAE, in its unit (formation energy: eV/atom);
        of several the mean over them of MAE / standard deviation of the training labels; of a classification the
        mean negative log-likelihood.

    Raises:
        ValueError: A name or a value is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
    """
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
    sets = load_data(
        data,
        label,
        max_num_nbr=values["max_num_nbr"],
        radius=radius,
        train_ratio=train_ratio,
        val_ratio=val_ratio,
        test_ratio=test_ratio,
        split_seed=split_seed,
        split_files=split_files,
        group_by=group_by,
        max_lost_share=max_lost_share,
        ties=ties,
        cache_folder=cache_folder,
    )
    home = trial_folder() if folder is None else Path(folder)
    before = previous_folder(holding=LAST)
    with met(where) as ranks:
        if home is not None and ranks.is_first:
            home.mkdir(parents=True, exist_ok=True)
        result = train(
            *sets,
            architecture=architecture,
            settings=replace(settings, device=str(where)),
            folder=home,
            resume=before / LAST if before is not None else None,
            on_epoch=lambda epoch, error: report(epoch, -error),
            ranks=ranks,
        )
    if not ranks.is_first:
        return -result.error
    record(
        **_errors(result),
        best_epoch=result.best_epoch,
        epochs=result.epochs,
        parameters=sum(weights.numel() for weights in result.network.parameters()),
        seconds=result.seconds,
        device=str(where),
        peak_memory_mb=peak_memory_mb(where),
        seed=seed,
        threads=threads,
        ranks=ranks.size,
        kernels=result.kernels,
    )
    return -result.error


def run_alone(
    point: Mapping[str, Any], *, folder: Location, recorded: float | None = None, **run_kwargs: Any
) -> None:
    """Train a point outside a search: print its metrics, and leave weights, tables and figures in a folder.

    ``default_config.py``, ``best_config.py`` and ``deephyper train`` call it.

    Args:
        point: The hyperparameters.
        folder: The folder for the files.
        recorded: The objective that a search recorded for this point, which is printed beside the new one.
        **run_kwargs: Other arguments of ``run``.

    Raises:
        ValueError: A name or a value is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.
    """
    from dh_project.cgcnn_mp.training.train_in_folder import train_in_folder  # imports this module

    train_in_folder(point, run_kwargs, Path(folder), recorded)


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
        raise ValueError(unknown("task", task, TASKS))
    if task == "regression":
        return {}
    return {"classification": True, "dropout": point.get("dropout")}


def _errors(result: TrainingResult) -> dict[str, float | None]:
    """Return the facts of how wrong a training ended: the errors of a regression, all metrics of a classification.

    A test set that is not there has the same facts, of None.
    """
    names = [name for name in result.validation if not name.startswith(("rmse", "r2"))]
    sets = {"val": finite_or_none(result.validation), "test": finite_or_none(result.test)}
    return {f"{which}_{name}": metrics.get(name) for which, metrics in sets.items() for name in names}


def complete_point(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return all hyperparameters of a point, each of its type.

    Raises:
        ValueError: The point has a name that is no hyperparameter of CGCNN, or a value of another type.
    """
    values = dict(ORIGINAL)
    for name, value in point.items():
        if name not in ORIGINAL:
            raise ValueError(unknown("hyperparameter", name, ORIGINAL))
        kind = type(ORIGINAL[name])
        try:
            values[name] = kind(value)
        except (TypeError, ValueError):
            values[name] = None
        if values[name] != value or (kind is int and value < 1):
            whole = "a whole number from 1 on" if kind is int else f"a {kind.__name__}"
            raise ValueError(f"{name} is {value!r}; it must be {whole}")
    return values


def prepare(**run_kwargs: Any) -> None:
    """Check the arguments of ``run`` and build its graphs, once before a search, so that no trial must.

    Raises:
        ValueError: An argument is unknown or wrong, the device is not here, or the data cannot be used or learnt.
    """
    options = keyword_options(run)
    for name, value in run_kwargs.items():
        if name not in options:
            raise ValueError(unknown("argument", name, options))
        options[name].check(value)
    if run_kwargs.get("folder") is not None:
        raise ValueError("folder: each trial of a search has its own; leave it out")
    arguments = {name: option.default for name, option in options.items()} | run_kwargs
    training = {field.name for field in fields(Settings)} & set(arguments)
    settings = {name: arguments[name] for name in training} | {"milestones": tuple(arguments["milestones"])}
    _own_device(Settings(**settings))
    _head(arguments["task"], {})
    train_set, _, _ = load_data(
        **{name: arguments[name] for name in inspect.signature(load_data).parameters if name in arguments}
    )
    Normalizer.fit(train_set.labels)
    if arguments["task"] == "classification":
        check_classes(train_set.labels)
