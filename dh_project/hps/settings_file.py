"""Search settings as TOML and JSON data. Functions and problems are given by import path."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.common.files import write_whole
from dh_project.hps.settings import SearchSettings

SECRET = ("ray_password",)
"""Settings of an evaluator that are never written to a file."""


def to_data(settings: SearchSettings) -> dict[str, Any]:
    """Return settings as JSON data, without those that have their default value.

    Raises:
        UserError: The problem or the run function is an object and not an import path.

    Example:
        >>> to_data(SearchSettings(problem="problem.py", run="run.py", max_evals=50))
        {'problem': 'problem.py', 'run': 'run.py', 'max_evals': 50}
    """
    always = ("problem", "run")
    for name in always:
        if not isinstance(value := getattr(settings, name), str):
            raise UserError(
                f"{name}: a value of type {type(value).__name__} cannot be written to a file; name it by its "
                f"import path, as in package.module.{'Problem' if name == 'problem' else 'run'}"
            )
    default = SearchSettings(problem="", run="")
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    changed = {
        name: value for name, value in values.items() if name in always or value != getattr(default, name)
    }
    data: dict[str, Any] = {name: _plain(value) for name, value in changed.items()}
    if "trial" in data:
        standard = asdict(default.trial)
        data["trial"] = {
            name: value for name, value in asdict(settings.trial).items() if value != standard[name]
        }
    for name in SECRET:
        data.get("evaluator_settings", {}).pop(name, None)
    if values["max_failures"] is None:
        data["max_failures"] = NO_LIMIT
    if settings.trial.cores is None:
        data["trial"]["cores"] = EVEN_SHARE
    return data


NO_LIMIT = -1
"""Value of ``max_failures`` in a file that means no limit, because TOML has no null."""

EVEN_SHARE = 0
"""``trial.cores`` in a file, for an even share of the node."""


def from_data(data: dict[str, Any]) -> SearchSettings:
    """Return settings from JSON or TOML data.

    Raises:
        UserError: A setting is unknown, missing or wrong.

    Example:
        >>> from_data({"problem": "problem.py", "run": "run.py", "max_eval": 50})
        Traceback (most recent call last):
        ...
        dh_project.common.errors.UserError: unknown setting 'max_eval' (did you mean 'max_evals'?); valid: ...
    """
    if data.get("max_failures") == NO_LIMIT:
        data = {**data, "max_failures": None}
    trial = data.get("trial")
    if isinstance(trial, dict) and trial.get("cores") == EVEN_SHARE:
        data = {**data, "trial": {**trial, "cores": None}}
    return SearchSettings.of(data)


def read_settings(path: Path) -> SearchSettings:
    """Read settings from a TOML file.

    Raises:
        UserError: The file cannot be read or is not TOML, or a setting is unknown, missing or wrong.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return from_data(data)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a file of search settings") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {one_line(error)}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def write_settings(settings: SearchSettings, path: Path) -> None:
    """Write settings to a TOML file, completely or not at all.

    Raises:
        UserError: A value has no form in TOML.
        OSError: The file cannot be written.
    """
    write_whole(path, settings_text(settings))


def settings_text(settings: SearchSettings) -> str:
    """Return settings as TOML.

    Raises:
        UserError: A value has no form in TOML.

    Example:
        >>> print(settings_text(SearchSettings(problem="problem.py", run="run.py", max_evals=50)))
        problem = "problem.py"
        run = "run.py"
        max_evals = 50
        <BLANKLINE>
    """
    import tomli_w

    data = to_data(settings)
    try:
        return tomli_w.dumps(data)
    except (TypeError, ValueError) as error:
        raise UserError(f"the settings cannot be written as TOML: {one_line(error)}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, dict) else value
