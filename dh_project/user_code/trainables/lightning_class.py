"""Recognising Lightning's classes without importing Lightning, which takes seconds."""

from __future__ import annotations

from typing import Any

HOMES = ("lightning.", "pytorch_lightning.")
"""The two packages under which Lightning is installed."""


def is_lightning_module(model: Any) -> bool:
    """Return whether an object is a subclass of LightningModule."""
    return _is_derived(model, "LightningModule")


def is_data_module(model: Any) -> bool:
    """Return whether an object is a subclass of LightningDataModule."""
    return _is_derived(model, "LightningDataModule")


def _is_derived(model: Any, name: str) -> bool:
    bases = model.__mro__ if isinstance(model, type) else ()
    return any(base.__name__ == name and base.__module__.startswith(HOMES) for base in bases)
