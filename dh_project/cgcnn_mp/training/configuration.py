"""What one training can be told: the hyperparameters and the arguments of ``model_run.run``, under one roof.

Names, types, defaults and explanations are read from the signatures and docstrings, so that there is one place to
write them. A configuration is a dict of some of these names; what it leaves out takes its default.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dh_project as dh
from dh_project.cgcnn_mp.crystals.errors import unknown
from dh_project.cgcnn_mp.load_data import load_data
from dh_project.cgcnn_mp.model_run import ORIGINAL, run
from dh_project.cgcnn_mp.network.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.training.option import Option, keyword_options
from dh_project.cgcnn_mp.training.settings import Settings
from dh_project.common.errors import UserError
from dh_project.results.reading import best_configuration

Configuration = dict[str, Any]

OURS = "dh_project.cgcnn_mp.model_run.run"


def options() -> dict[str, Option]:
    """Return all options by name: the hyperparameters first, then the arguments of ``run`` but for its folder."""
    texts = _explained(CrystalGraphConvNet) | _explained(Settings) | _explained(load_data)
    found = {
        name: Option(name, (type(default),), (), False, default, texts.get(name, ""))
        for name, default in ORIGINAL.items()
    }
    of_run = keyword_options(run, texts | _explained(run))
    return found | {name: option for name, option in of_run.items() if name != "folder"}


def _explained(documented: Any) -> dict[str, str]:
    """Return what a Google docstring says of each argument or attribute, on one line."""
    section = re.search(
        r"^(?:Args|Attributes):\n(.*?)(?:^\S|\Z)", inspect.getdoc(documented) or "", re.DOTALL | re.MULTILINE
    )
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1], re.MULTILINE) if section else []
    return {name: " ".join(text.replace("``", "").split()) for name, text in entries}


def read_configuration(path: Path) -> Configuration:
    """Read a configuration from a JSON object of options, or a search's best trial from its results.

    Args:
        path: A ``.json`` file, of options or as ``deephyper-analytics topk -o best.json`` writes it; or a search's
            ``results.csv``.

    Raises:
        UserError: It is no such file.
        ValueError: It names something that is no option, or gives one a value of another type.
    """
    if path.suffix == ".csv":
        return read_best(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f'{path} is no JSON object: write {{"lr": 0.01, "epochs": 100}}')
    if isinstance(found.get("0"), dict):
        return read_best(path)
    return checked(found, path)


def read_best(path: Path) -> Configuration:
    """Read the best trial of a search of CGCNN from ``results.csv`` or ``best.json``.

    Raises:
        UserError: The file cannot be read, or the search ran another model.
        ValueError: The file has a name that is no setting.
    """
    best = best_configuration(path)
    constants = shared_arguments(path, best.run) | best.run_kwargs
    constants.pop("folder", None)
    return checked(best.point | constants, path)


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
    except UserError as error:
        why = f" ({error})"
    else:
        if isinstance(function, partial) and function.func is run:
            return dict(function.keywords)
        why = ""
    raise UserError(
        f"{path}: its run function is {recorded}, and this command trains CGCNN's model_run.run alone{why}"
    )


def checked(found: Mapping[str, Any], path: Path) -> Configuration:
    """Return what a file says if all of it are options.

    Raises:
        ValueError: A name is unknown, or a value of another type.
    """
    known = options()
    for name in found:
        if name not in known:
            raise ValueError(f"{path}: {unknown('setting', name, known)}")
    try:
        return {name: known[name].check(value) for name, value in found.items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def point_and_arguments(configuration: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a configuration's hyperparameters, and its arguments of ``run``."""
    point = {name: value for name, value in configuration.items() if name in ORIGINAL}
    return point, {name: value for name, value in configuration.items() if name not in ORIGINAL}
