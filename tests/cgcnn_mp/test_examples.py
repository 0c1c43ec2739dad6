"""The examples in the docstrings give the results that they show."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

MODULES = [
    "common.errors",
    "cgcnn_mp.crystals.settings",
    "cgcnn_mp.crystals.splits",
    "cgcnn_mp.load_data",
    "cgcnn_mp.network.kernels.bonds",
    "cgcnn_mp.network.normalizer",
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module: str) -> None:
    result = doctest.testmod(import_module(f"dh_project.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
