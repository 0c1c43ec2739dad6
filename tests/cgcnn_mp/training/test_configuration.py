"""The settings of a training: their types, from Python, from JSON and from a command line."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.network.kernels.choice import NAMES as KERNELS
from dh_project.cgcnn_mp.training.configuration import (
    DEFAULTS,
    HYPERPARAMETERS,
    checked,
    choices,
    configuration_of,
    explanations,
    read_option,
    types,
)
from dh_project.cgcnn_mp.training.losses import LOSSES
from dh_project.cgcnn_mp.training.settings import OPTIMIZERS, SCHEDULES, Settings


@pytest.mark.parametrize("settings", [DataSettings, Settings])
def test_the_defaults_are_those_of_the_parts(settings):
    own = asdict(settings())
    shared = set(own) & set(DEFAULTS) - {"patience"}  # a training that is called alone has none
    assert shared
    assert {name: DEFAULTS[name] for name in shared} == {name: own[name] for name in shared}


def test_every_setting_is_explained():
    assert list(explanations()) == list(DEFAULTS)


@pytest.mark.parametrize(
    ("name", "implemented"),
    [("optim", OPTIMIZERS), ("loss", LOSSES), ("schedule", SCHEDULES), ("kernels", KERNELS)],
)
def test_the_choices_are_those_that_are_implemented(name, implemented):
    assert choices(name) == tuple(implemented)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("n_conv", 4.0, 4),
        ("n_conv", np.int64(4), 4),
        ("lr", 1, 1.0),
        ("lr", np.float32(0.5), 0.5),
        ("data", Path("here"), "here"),
        ("data", (Path("a"), "b"), ["a", "b"]),
        ("milestones", (5, 10), [5, 10]),
        ("patience", None, None),
    ],
)
def test_values_from_python_are_taken_in_their_declared_type(name, value, expected):
    found = checked({name: value})[name]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", True, "epochs is True; it must be a whole number"),
        ("epochs", "3", "epochs is '3'; it must be a whole number"),
        ("n_conv", 2.5, "n_conv is 2.5; it must be a whole number"),
        ("patience", "never", "patience is 'never'; it must be a whole number or none"),
        ("lr", float("inf"), "lr is inf; it must be a finite number"),
        ("mixed_precision", 1, "mixed_precision is 1; it must be true or false"),
        ("label", 3, "label is 3; it must be a text or none"),
        ("optim", "adam", r"unknown optim 'adam' \(did you mean 'Adam'\?\); valid: SGD, Adam, AdamW"),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, said):
    with pytest.raises(ValueError, match=said):
        checked({name: value})


@pytest.mark.parametrize("name", [name for name in DEFAULTS if type(None) in get_args(types()[name])])
@pytest.mark.parametrize("text", ["none", "null", "None"])
def test_none_and_null_are_none_for_every_setting_that_can_be(name, text):
    assert read_option(name, text) is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("milestones", "5, 10", [5, 10]), ("lr", "1e-3", 0.001), ("label", "7", "7"), ("data", "a,b", "a,b")],
)
def test_options_are_read_from_text(name, text, value):
    assert read_option(name, text) == value


def test_a_point_holds_hyperparameters_only():
    with pytest.raises(ValueError, match="unknown hyperparameter 'epochs'"):
        configuration_of({"epochs": 3}, {})
    with pytest.raises(ValueError, match="unknown argument 'lr'"):
        configuration_of({}, {"lr": 0.1})
    assert configuration_of({"lr": 0.1}, {"epochs": 3}).lr == 0.1
    assert set(HYPERPARAMETERS) < set(DEFAULTS)


def test_the_help_of_train_does_not_import_torch():
    code = (
        "import sys; from dh_project.cli.main import make_parser; "
        "parser = next(p for p in make_parser().commands() if p.prog.endswith(' train')); "
        "parser.find_options(); parser.format_help(); "
        "assert not {'torch', 'pydantic', 'pandas', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
