"""Reading a configuration from a file: a JSON object of settings, or the best trial of a search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dh_project as dh
from dh_project.cgcnn_mp.training.configuration import checked

OURS = "dh_project.cgcnn_mp.model_run.run"


def read_configuration(path: Path) -> dict[str, Any]:
    """Read settings from a file.

    Args:
        path: A JSON object of settings, a ``best.json`` of ``deephyper-analytics topk``, or a ``results.csv``.

    Raises:
        UserError: The file cannot be read.
        ValueError: It has an unknown name, or a value of another type.
    """
    if path.suffix == ".csv":
        return read_best(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise dh.UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise dh.UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise dh.UserError(f'{path} is no JSON object: write {{"lr": 0.01, "epochs": 100}}')
    if isinstance(found.get("0"), dict):
        return read_best(path)
    return checked_in(path, found)


def read_best(path: Path) -> dict[str, Any]:
    """Read the settings of the best trial of a search from ``results.csv`` or ``best.json``.

    Raises:
        UserError: The file cannot be read, or the search ran another model.
        ValueError: It has an unknown name, or a value of another type.
    """
    best = dh.best_configuration(path)
    constants = shared_arguments(path, best.run) | best.run_kwargs
    constants.pop("folder", None)
    return checked_in(path, best.point | constants)


def shared_arguments(path: Path, recorded: str | None) -> dict[str, Any]:
    """Return the arguments that a recorded run function passes to CGCNN's in every trial.

    CGCNN's own run function passes none. A problem made by ``--template cgcnn`` has a ``functools.partial`` of it.

    Args:
        path: The file that names the run function, for messages.
        recorded: The recorded name or path of the run function; None: unknown, taken for CGCNN's own.

    Raises:
        UserError: The search ran another function.
    """
    if recorded is None or dh.is_same_run(recorded, OURS):
        return {}
    try:
        function = dh.load_run(recorded)
    except dh.UserError as error:
        why = f" ({error})"
    else:
        why = ""
        if isinstance(function, partial) and f"{function.func.__module__}.{function.func.__name__}" == OURS:
            return dict(function.keywords)
    raise dh.UserError(
        f"{path}: its run function is {recorded}, and this command trains CGCNN's model_run.run alone{why}"
    )


def checked_in(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in a file, each in its declared type.

    Raises:
        ValueError: A name is unknown, or a value has another type; the message names the file.
    """
    try:
        return checked(settings)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
