"""The run function of CGCNN: train it with one choice of hyperparameters, and return its objective.

It runs in a search (``--run dh_project.cgcnn_mp.model_run.run``) and alone: ``run({"lr": 0.02})``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pydantic  # noqa: F401 (checks the settings; imported here so that no trial must)
import torch

import dh_project as dh
from dh_project.cgcnn_mp.crystals.content import content_hashes
from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.crystals.sources import SHIPPED
from dh_project.cgcnn_mp.graphs.batches import CrystalSet
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
from dh_project.cgcnn_mp.load_data import split_graphs
from dh_project.cgcnn_mp.network.data_parallel import met, own_device, own_ranks
from dh_project.cgcnn_mp.network.devices import peak_memory_mb
from dh_project.cgcnn_mp.network.kernels.choice import warm_up
from dh_project.cgcnn_mp.network.normalizer import Normalizer, check_classes
from dh_project.cgcnn_mp.training.configuration import (
    ARCHITECTURE,
    DEFAULTS,
    Configuration,
    configuration_of,
)
from dh_project.cgcnn_mp.training.loop import train
from dh_project.cgcnn_mp.training.metrics import finite_or_none
from dh_project.cgcnn_mp.training.result import TrainingResult
from dh_project.cgcnn_mp.training.saving import LAST
from dh_project.cgcnn_mp.training.settings import CHANGEABLE, Settings

warm_up()  # a trial is a fork of a process that has imported this module, so the kernels are compiled there


@dh.resumable
def run(
    point: Mapping[str, Any],
    *,
    folder: str | os.PathLike[str] | None = None,
    seed: int = DEFAULTS["seed"],
    **arguments: Any,
) -> float:
    """Train CGCNN and return its objective.

    Each epoch is reported. If a report is answered with False, training ends and keeps its best epoch. If the attempt
    before this one was interrupted, training resumes from its last epoch. In a search by population-based training, a
    child goes on from the last epoch of its parent if only ``training.settings.CHANGEABLE`` differs. If a checkpoint
    cannot be used, training begins anew, and the fact ``began_anew`` says why.

    Each process of a data-parallel trial calls this function. Together they train one network, and the first of them
    writes, reports and records.

    Args:
        point: Hyperparameters: ``lr``, ``weight_decay``, ``batch_size``, ``optim``, ``atom_fea_len``, ``h_fea_len``,
            ``n_conv``, ``n_h``, ``max_num_nbr``, ``dropout``. Those left out have the defaults of the original CGCNN.
        folder: The folder for weights, checkpoints, history and predictions. None: the trial's folder; outside a
            search nothing is written.
        seed: Seed of the initial weights, of dropout and of the order of crystals. Each replicate of a point has
            another one.
        **arguments: The other settings of ``training.configuration.Configuration``, such as ``data``, ``epochs`` and
            ``device``.

    Returns:
        Minus the validation error of the best epoch:

        - one label: MAE, in the unit of the label (formation energy: eV/atom),
        - several labels: mean over the labels of MAE / standard deviation of the training labels,
        - classification: mean negative log-likelihood.

    Raises:
        ValueError: A name or a value is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.

    Example:
        >>> run({"lr": 0.02}, data="flla", epochs=5)  # doctest: +SKIP
    """
    configuration = configuration_of(point, {**arguments, "seed": seed})
    settings = _settings(configuration)
    device = _own_device(settings)
    architecture = {name: getattr(configuration, name) for name in ARCHITECTURE}
    if configuration.task == "classification":
        architecture |= {"classification": True, "dropout": point.get("dropout")}
    sets = _load_data(configuration)
    home = dh.trial_folder() if folder is None else Path(folder)
    before = dh.previous_folder(holding=LAST)
    with met(device) as ranks:
        if home is not None and ranks.is_first:
            home.mkdir(parents=True, exist_ok=True)
        result = train(
            *sets,
            architecture=architecture,
            settings=replace(settings, device=str(device)),
            folder=home,
            resume=before / LAST if before is not None else None,
            changeable=None if dh.trial_seed() is None else CHANGEABLE,  # outside a search nothing may differ
            on_epoch=partial(_report, _name_of_error(sets[0], configuration), settings.epochs),
            ranks=ranks,
        )
    if not ranks.is_first:
        return -result.error
    if result.began_anew is not None:
        dh.record(began_anew=result.began_anew)
    dh.record(
        **_errors(result),
        best_epoch=result.best_epoch,
        epochs=result.epochs,
        parameters=sum(weights.numel() for weights in result.network.parameters()),
        seconds=result.seconds,
        device=str(device),
        peak_memory_mb=peak_memory_mb(device),
        seed=settings.seed,
        threads=settings.threads,
        ranks=ranks.size,
        kernels=result.kernels,
    )
    return -result.error


def run_alone(
    point: Mapping[str, Any], *, folder: str, recorded: float | None = None, **run_kwargs: Any
) -> None:
    """Train a point outside a search: print its metrics, and leave weights, tables and figures in a folder.

    ``default_config.py``, ``best_config.py`` and ``deephyper train`` call it.

    Args:
        point: The hyperparameters.
        folder: The folder for the files.
        recorded: The objective that a search recorded for this point, which is printed beside the new one.
        **run_kwargs: Other arguments of ``run``.

    Raises:
        UserError: The folder holds another training, or this one is finished.
        ValueError: A name or a value is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.
    """
    from dh_project.cgcnn_mp.training.train_in_folder import (  # imports this module
        check_holds_none,
        is_interrupted,
        train_in_folder,
    )

    if not is_interrupted(Path(folder), point, run_kwargs):
        check_holds_none(Path(folder), "give folder=NAME for another folder, or remove it")
    train_in_folder(point, run_kwargs, Path(folder), recorded)


def _own_device(settings: Settings) -> torch.device:
    """Return the device of this rank.

    Raises:
        ValueError: The device is not available, or a setting does not work with several ranks.
    """
    if settings.cuda_graphs and own_ranks().size > 1:
        raise ValueError(
            f"cuda_graphs records the steps of one rank, and there are {own_ranks().size}: leave it out"
        )
    return own_device(settings.find_device())


def _settings(configuration: Configuration) -> Settings:
    """Return the part of a configuration that says how to train."""
    names = [field.name for field in fields(Settings) if field.name in DEFAULTS]
    values = {name: getattr(configuration, name) for name in names}
    return Settings(**values | {"milestones": tuple(configuration.milestones)})


def data_settings(configuration: Configuration) -> DataSettings:
    """Return the part of a configuration that says which data to load.

    Raises:
        DataError: A value is invalid.
    """
    names = [field.name for field in fields(DataSettings) if field.name in DEFAULTS]
    return DataSettings(**{name: getattr(configuration, name) for name in names})


def _load_data(configuration: Configuration) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
    """Return the training, validation and test set."""
    chosen = data_settings(configuration)
    return split_graphs(label_graphs(chosen), chosen)


def _name_of_error(training: CrystalSet, configuration: Configuration) -> str:
    """Return the name of the fact that is the validation error of an epoch."""
    if configuration.task == "classification":
        return "val_nll"
    return "val_mae" if len(training.graphs.label_names) == 1 else "val_scaled_mae"


def _report(name: str, epochs: int, epoch: int, error: float) -> bool:
    """Record and report the validation error of an epoch. ``--stop val_mae=0.1`` compares the recorded one."""
    dh.record(**{name: error})
    return dh.report(epoch, -error, of=epochs)


def _errors(result: TrainingResult) -> dict[str, float | None]:
    """Return the facts to record: the errors of a regression, or all metrics of a classification.

    If there is no test set, its facts are None.
    """
    names = [name for name in result.validation if not name.startswith(("rmse", "r2"))]
    sets = {"val": finite_or_none(result.validation), "test": finite_or_none(result.test)}
    return {f"{which}_{name}": metrics.get(name) for which, metrics in sets.items() for name in names}


def identify_data(**arguments: Any) -> dict[str, str]:
    """Return the hash of the content of each argument that names data, so that the data may be moved.

    A search calls this once, before its first trial. Data that cannot be read has no hash: ``prepare`` refuses it.
    """
    return content_hashes(arguments.get("data", SHIPPED), arguments.get("split_files"))


def prepare(**arguments: Any) -> None:
    """Check the arguments of ``run`` and build its graphs. A search calls this once, before its first trial.

    Raises:
        ValueError: An argument is wrong, the device is not available, or the data cannot be used or learnt.
    """
    if arguments.pop("folder", None) is not None:
        raise ValueError("folder: each trial of a search has its own; leave it out")
    configuration = configuration_of({}, arguments)
    _own_device(_settings(configuration))
    train_set, _, _ = _load_data(configuration)
    Normalizer.fit(train_set.labels)
    if configuration.task == "classification":
        check_classes(train_set.labels)
