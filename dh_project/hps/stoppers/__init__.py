"""Stoppers end trials early that are unlikely to become the best."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dh_project.common.errors import UserError, did_you_mean, one_line, unknown
from dh_project.hps.stoppers.asha import AshaStopper
from dh_project.hps.stoppers.bandit import BanditStopper
from dh_project.hps.stoppers.base import Stopper
from dh_project.hps.stoppers.hyperband import HyperbandStopper
from dh_project.hps.stoppers.median import MedianStopper
from dh_project.hps.stoppers.other_words import ALIASES, SETTINGS
from dh_project.hps.stoppers.patience import PatienceStopper
from dh_project.hps.stoppers.percentile import PercentileStopper
from dh_project.hps.stoppers.population import PopulationStopper
from dh_project.hps.stoppers.truncation import TruncationStopper
from dh_project.user_code.importing import load_attribute

STOPPERS: dict[str, type[Stopper]] = {
    "asha": AshaStopper,
    "bandit": BanditStopper,
    "hyperband": HyperbandStopper,
    "median": MedianStopper,
    "patience": PatienceStopper,
    "percentile": PercentileStopper,
    "truncation": TruncationStopper,
    "pbt": PopulationStopper,
}

NUMBERS = ("int", "float", "int | None", "float | None")
"""Annotations of settings that are numbers."""


def create_stopper(name: str, settings: Mapping[str, Any]) -> Stopper | None:
    """Return a stopper; None for the name ``none``.

    Args:
        name: ``none``, one of ``STOPPERS``, its name in another program (``BanditPolicy``), or the import path of
            your own (``my_module.MyStopper``, ``my_file.py``).
        settings: Arguments of its constructor by name.

    Raises:
        UserError: The name or a setting is unknown, or a value is out of range.

    Example:
        >>> create_stopper("bandit", {"slack_factor": 0.2}).slack_factor
        0.2
    """
    if name == "none":
        if settings:
            raise UserError(f"stopper none takes no settings: {', '.join(settings)}; leave them out")
        return None
    name = ALIASES.get(name, name)
    kind = STOPPERS[name] if name in STOPPERS else _own(name)
    parameters = inspect.signature(kind).parameters.values()
    valid = {
        parameter.name: parameter
        for parameter in parameters
        if parameter.kind is not parameter.VAR_POSITIONAL
    }
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    for setting, value in settings.items():
        if setting not in valid and not takes_any:
            if name in STOPPERS and (ours := SETTINGS.get(setting)) in valid:
                raise UserError(f"unknown setting {setting!r}: here it is {ours}")
            raise UserError(
                f"unknown setting {setting!r}{did_you_mean(setting, valid)}; "
                f"valid: {', '.join(valid) or 'none'}"
            )
        if name in STOPPERS:
            _check_kind(setting, value, valid[setting].annotation)
    try:
        return kind(**settings)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the stopper cannot be constructed: {type(error).__name__}: {one_line(error)}"
        ) from None


def _check_kind(setting: str, value: Any, annotation: str) -> None:
    if annotation == "bool":
        if value not in (True, False):
            raise UserError(f"{setting}={value!r}: give true or false")
    elif annotation not in NUMBERS:
        return  # the stopper checks it
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{setting}={value!r}: give a number")
    elif annotation.startswith("int") and not isinstance(value, int):
        raise UserError(f"{setting}={value!r}: give a whole number")


def _own(name: str) -> type[Stopper]:
    if "." not in name:
        raise unknown("stopper", name, STOPPERS)
    kind = load_attribute(name, "Stopper")
    if not (isinstance(kind, type) and issubclass(kind, Stopper)):
        raise UserError("this is not a Stopper; derive it from dh_project.Stopper")
    if inspect.isabstract(kind):
        raise UserError(f"{kind.__name__} has no goes_on; name your own class: my_module.MyStopper")
    if not isinstance(getattr(kind, "name", None), str):
        raise UserError(f"{kind.__name__} has no name; give it one: name = {kind.__name__.lower()!r}")
    return kind
