"""Stoppers: they end trials early that promise nothing."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dh_project.errors import UserError, did_you_mean, unknown
from dh_project.stoppers.bandit import BanditStopper
from dh_project.stoppers.base import Stopper
from dh_project.stoppers.median import MedianStopper

STOPPERS: dict[str, type[Stopper]] = {"bandit": BanditStopper, "median": MedianStopper}


def create_stopper(name: str, settings: Mapping[str, Any]) -> Stopper:
    """Return a stopper.

    Raises:
        UserError: Its name or a setting is unknown, or a value is out of range.
    """
    if name not in STOPPERS:
        raise unknown("stopper", name, STOPPERS)
    valid = inspect.signature(STOPPERS[name]).parameters
    for setting, value in settings.items():
        if setting in valid and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UserError(f"--stopper {name}: {setting}={value!r}: give a number")
        if setting not in valid:
            raise UserError(
                f"--stopper {name}: unknown setting {setting!r}{did_you_mean(setting, valid)}; "
                f"valid: {', '.join(valid)}"
            )
    return STOPPERS[name](**settings)
