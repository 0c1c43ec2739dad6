"""Telling Lightning's classes from others without importing Lightning, which takes seconds."""

from __future__ import annotations

from typing import Any

HOMES = ("lightning.", "pytorch_lightning.")
"""The two names under which Lightning is installed."""


def is_lightning_module(model: Any) -> bool:
    """Say whether an object is a class that is derived from LightningModule."""
    return _is_derived(model, "LightningModule")


def is_data_module(model: Any) -> bool:
    """Say whether an object is a class that is derived from LightningDataModule."""
    return _is_derived(model, "LightningDataModule")


def _is_derived(model: Any, name: str) -> bool:
    bases = model.__mro__ if isinstance(model, type) else ()
    return any(base.__name__ == name and base.__module__.startswith(HOMES) for base in bases)
