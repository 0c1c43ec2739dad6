"""Stoppers: they end trials early that promise nothing."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dh_project.errors import UserError, did_you_mean, unknown
from dh_project.loading import load_attribute
from dh_project.stoppers.bandit import BanditStopper
from dh_project.stoppers.base import Stopper
from dh_project.stoppers.median import MedianStopper

STOPPERS: dict[str, type[Stopper]] = {"bandit": BanditStopper, "median": MedianStopper}


def create_stopper(name: str, settings: Mapping[str, Any]) -> Stopper:
    """Return a stopper: ``median``, ``bandit``, or one's own (``my_module.MyStopper``, ``my_file.py``).

    Raises:
        UserError: Its name or a setting is unknown, or a value is out of range.
    """
    kind = STOPPERS[name] if name in STOPPERS else _own(name)
    valid = inspect.signature(kind).parameters
    for setting, value in settings.items():
        if setting not in valid:
            raise UserError(
                f"--stopper {name}: unknown setting {setting!r}{did_you_mean(setting, valid)}; "
                f"valid: {', '.join(valid) or 'none'}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"--stopper {name}: {setting}={value!r}: give a number")
    missing = [
        word
        for word, parameter in valid.items()
        if parameter.default is parameter.empty and word not in settings
    ]
    if missing:
        raise UserError(f"--stopper {name}: give {', '.join(f'{word}=...' for word in missing)}")
    return kind(**settings)


def _own(name: str) -> type[Stopper]:
    if "." not in name:
        raise unknown("stopper", name, STOPPERS)
    kind = load_attribute(name, "Stopper")
    if not (isinstance(kind, type) and issubclass(kind, Stopper)):
        raise UserError(
            f"--stopper {name}: this is no Stopper; derive it from dh_project.stoppers.base.Stopper"
        )
    return kind
