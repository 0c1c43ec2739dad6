"""What one training can be told: the hyperparameters and the arguments of ``model_run.run``, under one roof.

Names, types, defaults and explanations are read from the signatures and docstrings, so that there is one place to
write them. A configuration is a dict of some of these names; what it leaves out takes its default.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dh_project.cgcnn_mp.errors import unknown
from dh_project.cgcnn_mp.load_data import load_data
from dh_project.cgcnn_mp.model import CrystalGraphConvNet
from dh_project.cgcnn_mp.model_run import ORIGINAL, run
from dh_project.cgcnn_mp.settings import Settings
from dh_project.errors import UserError
from dh_project.results import best_configuration

Configuration = dict[str, Any]

WORDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Option:
    """One thing that a training can be told.

    Attributes:
        name: As in ``run`` or ``ORIGINAL``.
        kinds: Types of a single value: bool, int, float, str.
        items: Types of the members, where it may be a list.
        optional: Whether it may be None.
        default: Its default.
        text: What it means.
    """

    name: str
    kinds: tuple[type, ...]
    items: tuple[type, ...]
    optional: bool
    default: Any
    text: str

    def parse(self, text: str) -> Any:
        """Read a value that is written on a command line: a list has commas between, None is ``none``.

        Raises:
            ValueError: It is no such value.
        """
        if self.optional and text.lower() == "none":
            return None
        if self.items and str not in self.kinds and ("," in text or not self.kinds):
            return [self._single(part.strip(), self.items) for part in text.split(",") if part.strip()]
        return self._single(text, self.kinds)

    def _single(self, text: str, kinds: tuple[type, ...]) -> Any:
        for kind in sorted(kinds, key=list(WORDS).index):
            try:
                value = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
            except (ValueError, KeyError):
                continue
            if not isinstance(value, float) or isfinite(value):
                return value
        raise ValueError(f"{self.name} is {text!r}; it must be {self.wanted}")

    def check(self, value: Any) -> Any:
        """Return a value that JSON gave, if it is one for this option.

        Raises:
            ValueError: It is none.
        """
        is_list = isinstance(value, list | tuple) and bool(self.items)
        members, kinds = (list(value), self.items) if is_list else ([value], self.kinds)
        if (value is None and self.optional) or all(_is_of(member, kinds) for member in members):
            return value
        raise ValueError(f"{self.name} is {value!r}; it must be {self.wanted}")

    @property
    def wanted(self) -> str:
        """What it must be, in words."""
        words = [WORDS[kind] for kind in self.kinds]
        if self.items:
            words.append(f"several with commas, each {' or '.join(WORDS[kind] for kind in self.items)}")
        return " or ".join(words + ["none"] * self.optional)


def _is_of(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, os.PathLike):
        return str in kinds
    if isinstance(value, int):
        return int in kinds or float in kinds
    if isinstance(value, float):
        return float in kinds and isfinite(value)
    return isinstance(value, kinds)


def options() -> dict[str, Option]:
    """Return all options by name: the hyperparameters first, then the arguments of ``run`` but for its folder."""
    texts = _explained(CrystalGraphConvNet) | _explained(Settings) | _explained(load_data)
    found = {
        name: Option(name, (type(default),), (), False, default, texts.get(name, ""))
        for name, default in ORIGINAL.items()
    }
    hints, texts = get_type_hints(run), texts | _explained(run)
    for name, parameter in inspect.signature(run).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and name != "folder":
            parts = list(_alternatives(hints[name]))
            items = [
                kind for part in parts if get_origin(part) is not None for kind in _kinds(get_args(part))
            ]
            found[name] = Option(
                name=name,
                kinds=_kinds(parts),
                items=tuple(dict.fromkeys(items)),
                optional=NoneType in parts,
                default=parameter.default,
                text=texts.get(name, ""),
            )
    return found


def _alternatives(hint: Any) -> Iterator[Any]:
    """Yield the members of a union, in whatever depth; a path-like is a text."""
    if get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _alternatives(part)
    else:
        yield str if get_origin(hint) is os.PathLike else hint


def _kinds(hints: Sequence[Any]) -> tuple[type, ...]:
    """Return the types of single values among some hints."""
    parts = [part for hint in hints for part in _alternatives(hint)]
    return tuple(dict.fromkeys(part for part in parts if part in WORDS))


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
        UserError: It is no such file.
        ValueError: The file names something that is no option.
    """
    best = best_configuration(path)
    check_is_cgcnn(path, best.run)
    constants = {name: value for name, value in best.run_kwargs.items() if name != "folder"}
    return checked(best.point | constants, path)


def check_is_cgcnn(path: Path, recorded: str | None) -> None:
    """Check that a search's run function was CGCNN's.

    Raises:
        UserError: It was another.
    """
    ours = ("dh_project.cgcnn_mp.model_run.run", "model_run.py")
    if recorded is not None and Path(recorded).name not in ours:
        raise UserError(
            f"{path}: its run function is {recorded}, and this command trains CGCNN's model_run.run alone"
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
