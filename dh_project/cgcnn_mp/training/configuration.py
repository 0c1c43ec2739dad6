"""The settings of one training of CGCNN: hyperparameters, data, and how to train.

``Configuration`` is the one place for their names, types, defaults and explanations. ``model_run.run`` takes them,
and ``deephyper train`` has an option for each. This module does not import torch, so that ``--help`` is quick.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

from annotated_types import Ge, Gt

import dh_project as dh

Positive = Annotated[int, Ge(1)]
Paths = str | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The settings of one training; the defaults of the hyperparameters are those of the original CGCNN.

    Attributes:
        lr: Learning rate; of the schedule one-cycle the highest.
        weight_decay: Weight decay.
        batch_size: Crystals per step.
        optim: Optimizer: SGD, Adam or AdamW.
        atom_fea_len: Length of the features of an atom in the convolutions.
        h_fea_len: Length of the features of a crystal after pooling.
        n_conv: Number of convolutions.
        n_h: Number of hidden layers after pooling.
        max_num_nbr: Nearest neighbours of each atom.
        dropout: Dropout probability before the output layer; the default for a classification is 0.5.
        data: Crystals to train on: flla, a folder with id_prop.csv, or a tar file of one.
        label: Label to learn; several with commas are learnt at once. Default: the first of flla, or id_prop.csv.
        task: regression, or classification of a label that is 0 or 1.
        loss: Loss of a regression: mse, l1 or huber. A classification has the negative log-likelihood.
        epochs: Largest number of epochs.
        patience: Training ends after this many epochs without a better validation error; none: never.
        schedule: Schedule of the learning rate: multi-step, cosine or one-cycle. The last two run over all epochs, so
            use them with patience none.
        milestones: Epochs after which a multi-step learning rate falls to a tenth, with commas.
        clip_norm: Largest norm of the gradients; none: no limit.
        averaging: Decay per step of the moving average of the weights, such as 0.99. The average is then validated
            and saved. 0: no average.
        seed: Seed of the initial weights, of dropout and of the order of crystals.
        device: Device: auto (a GPU if there is one), cpu, cuda, cuda:1 …
        threads: CPU threads. One per trial is the fastest use of many cores.
        kernels: Implementation of the convolutions: auto (the fastest one for the device), numba, triton or torch.
        mixed_precision: Multiply matrices in bfloat16 on a GPU.
        cuda_graphs: Repeat recorded steps on a GPU, which saves CPU time. Experimental.
        radius: Cutoff radius of the neighbours, Å.
        train_ratio: Share of the training crystals.
        val_ratio: Share of the validation crystals.
        test_ratio: Share of the test crystals.
        split_seed: Seed of the split.
        split_files: Folder with train.txt, valid.txt and test.txt (ids, one per line), or three such files.
        group_by: Keep all crystals of one composition or one chemical_system in the same set.
        max_lost_share: Largest share of crystals that may be left out before it is an error.
        ties: Which of equally distant neighbours are kept: environment; pymatgen as in the original CGCNN; original,
            which also fills up missing neighbours as that does.
        cache_folder: Folder for prepared graphs. Default: $DH_PROJECT_CACHE, else the user's cache folder.
    """

    lr: Annotated[float, Gt(0)] = 0.01
    weight_decay: float = 0.0
    batch_size: Positive = 256
    optim: Literal["SGD", "Adam", "AdamW"] = "SGD"
    atom_fea_len: Positive = 64
    h_fea_len: Positive = 128
    n_conv: Positive = 3
    n_h: Positive = 1
    max_num_nbr: Positive = 12
    dropout: float = 0.0
    data: Paths = "flla"
    label: str | Sequence[str] | None = None
    task: Literal["regression", "classification"] = "regression"
    loss: Literal["mse", "l1", "huber"] = "mse"
    epochs: Positive = 30
    patience: Positive | None = 10
    schedule: Literal["multi-step", "cosine", "one-cycle"] = "multi-step"
    milestones: Sequence[int] = (100,)
    clip_norm: Annotated[float, Gt(0)] | None = None
    averaging: float = 0.0
    seed: int = 0
    device: str = "auto"
    threads: Positive = 1
    kernels: Literal["auto", "numba", "triton", "torch"] = "auto"
    mixed_precision: bool = False
    cuda_graphs: bool = False
    radius: float = 8.0
    train_ratio: float = 0.6
    val_ratio: float = 0.2
    test_ratio: float = 0.2
    split_seed: int = 0
    split_files: Paths | None = None
    group_by: Literal["composition", "chemical_system"] | None = None
    max_lost_share: float = 0.05
    ties: Literal["environment", "pymatgen", "original"] = "environment"
    cache_folder: str | None = None


DEFAULTS: dict[str, Any] = asdict(Configuration())
ARCHITECTURE = ("atom_fea_len", "h_fea_len", "n_conv", "n_h", "dropout")
HYPERPARAMETERS = ("lr", "weight_decay", "batch_size", "optim", *ARCHITECTURE, "max_num_nbr")
"""Names of the settings that a point may hold; all others are arguments of ``run``."""


def configuration_of(point: Mapping[str, Any], arguments: Mapping[str, Any]) -> Configuration:
    """Return the configuration of a call ``run(point, **arguments)``.

    Args:
        point: Hyperparameters; those left out take their defaults.
        arguments: Arguments of ``run``; those left out take their defaults.

    Raises:
        ValueError: A name is unknown, or a value has another type.

    Example:
        >>> configuration_of({"lr": 0.02}, {"epochs": 5}).epochs
        5
    """
    for kind, values in (("hyperparameter", point), ("argument", arguments)):
        valid = [name for name in DEFAULTS if (name in HYPERPARAMETERS) == (kind == "hyperparameter")]
        for name in values:
            if name not in valid:
                raise ValueError(dh.errors.unknown_name(kind, name, valid))
    return Configuration(**checked({**point, **arguments}))


def point_and_arguments(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the hyperparameters among some settings, and the arguments of ``run`` among them."""
    point = {name: value for name, value in settings.items() if name in HYPERPARAMETERS}
    return point, {name: value for name, value in settings.items() if name not in point}


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, each in its declared type.

    Args:
        settings: Values by name, from Python or JSON: a text is never read as a number.

    Raises:
        ValueError: A name is unknown, or a value has another type.
    """
    for name in settings:
        if name not in DEFAULTS:
            raise ValueError(dh.errors.unknown_name("setting", name, DEFAULTS))
    return {name: _read(name, _plain(value)) for name, value in settings.items()}


def read_option(name: str, text: str) -> Any:
    """Return the value of a setting that is given as text on a command line.

    Args:
        name: The name of the setting.
        text: The text. ``none`` or ``null`` is None if the setting can be None; ``milestones`` has commas.

    Raises:
        ValueError: The text is no such value.
    """
    if dh.is_none(text) and type(None) in get_args(types()[name]):
        return None
    if name == "milestones":
        return [_read(name, part.strip(), int, is_text=True) for part in text.split(",") if part.strip()]
    return _read(name, text, is_text=True)


def choices(name: str) -> tuple[Any, ...] | None:
    """Return the valid values of a setting; None if there is no list of them."""
    hint = types()[name]
    literals = [part for part in (hint, *get_args(hint)) if getattr(part, "__origin__", None) is Literal]
    optional = (None,) if type(None) in get_args(hint) else ()
    return (*get_args(literals[0]), *optional) if literals else None


@cache
def types() -> dict[str, Any]:
    """Return the declared type of each setting."""
    return get_type_hints(Configuration, include_extras=True)


@cache
def explanations() -> dict[str, str]:
    """Return the explanation of each setting, from the docstring of ``Configuration``, on one line each."""
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", inspect.getdoc(Configuration) or "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _plain(value: Any) -> Any:
    """Return a value in the types of JSON: no paths, no NumPy scalars, and integers for floats such as 4.0."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


WANTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "a text",
}
"""Names of types in messages, by the first word of pydantic's type of error."""


def _read(name: str, value: Any, kind: Any = None, is_text: bool = False) -> Any:
    """Return a value in the type of a setting, or in another one.

    Raises:
        ValueError: It has another type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError  # slow to import

    kind = types()[name] if kind is None else kind
    adapter: TypeAdapter[Any] = TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))
    try:
        return adapter.validate_strings(value) if is_text else adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
    if first["type"] == "literal_error":
        raise ValueError(dh.errors.unknown_name(name, str(value), filter(None, choices(name) or ())))
    wanted = WANTED.get(first["type"].partition("_")[0]) or first["msg"].removeprefix("Input should be ")
    none = " or none" if type(None) in get_args(kind) else ""
    raise ValueError(f"{name} is {first['input']!r}; it must be {wanted}{none}")
