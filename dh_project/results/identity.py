"""The identity of a search. Data is identified by its content, problem and run function by their names or their code.

So folders can be moved, renamed and copied, and a search can be continued from another folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

ATTRIBUTES = {"problem": "Problem", "run": "run"}
"""The attribute that a target means if it names only a file."""

DECIMALS = 13
"""Journals of older versions have bounds that ConfigSpace had rounded to so many decimals."""


@dataclass(frozen=True)
class Identity:
    """The settings that identify a search. A folder can only be continued with the same identity.

    Attributes:
        problem: Import path of the problem; None if it was given as an object.
        space: Hyperparameters and starting points of the problem, as JSON data.
        run: Import path of the run function.
        run_kwargs: Constant arguments of the run function. Paths of data are absolute.
        seed: Seed of the proposals.
        direction: Always ``maximize``.
        names: Names of ``problem`` and ``run`` that do not depend on their location. Empty in older journals.
        data: Hash of the content of each argument that names data. Empty in older journals.
        code: Hash of the code of problem and run function in the last session; empty if unknown. It may change.
    """

    problem: str | None
    space: Mapping[str, Any]
    run: str
    run_kwargs: Mapping[str, Any]
    seed: int
    direction: str = "maximize"
    names: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    code: str = ""

    @property
    def places(self) -> dict[str, Any]:
        """What may change between sessions, as it stands in the record of a session: the places and the code."""
        return {
            "places": {"problem": self.problem, "run": self.run, "run_kwargs": dict(self.run_kwargs)},
            "code": self.code,
        }

    @property
    def run_to_load(self) -> str:
        """The target by which the run function can be imported: its name if the file of a package was moved."""
        return self._to_load("run", self.run)

    @property
    def problem_to_load(self) -> str | None:
        """The same of the problem; None if it was given as an object."""
        return None if self.problem is None else self._to_load("problem", self.problem)

    def _to_load(self, kind: str, target: str) -> str:
        name = self.names.get(kind, target)
        is_gone = target.endswith(".py") or ".py:" in target
        is_gone = is_gone and not Path(target.rpartition(":")[0] or target).exists()
        return name if is_gone and ".py:" not in name else target

    def difference(self, other: Identity) -> str | None:
        """Return a text that says what differs, or None if the searches are the same."""
        for kind in ATTRIBUTES:
            there, here = getattr(self, kind), getattr(other, kind)
            if None not in (there, here) and not self._has_same(kind, other):
                return f"--{kind} was {there!r} there and is {here!r} now"
        if said := self._other_argument(other):
            return said
        if self.seed != other.seed:
            return f"--seed was {self.seed!r} there and is {other.seed!r} now"
        return _space_difference(self.space, other.space)

    def _has_same(self, kind: str, other: Identity) -> bool:
        """Return whether both searches have the same problem or run function, wherever its file lies."""
        there, here = getattr(self, kind), getattr(other, kind)
        name, now = self.names.get(kind), other.names.get(kind)
        if there == here or now is None:
            return bool(there == here)
        if name is None:
            return _is_called(there, now, ATTRIBUTES[kind])
        has_same_code = self.code != "" and self.code == other.code
        if name == now:  # files of one name in two folders may be two functions
            return has_same_code or ".py:" not in name
        return has_same_code and name.rpartition(".")[2] == now.rpartition(".")[2]

    def _other_argument(self, other: Identity) -> str | None:
        """Return which argument of the run function differs; None if all are equal."""
        for name in self.data.keys() & other.data.keys():
            if self.data[name] != other.data[name]:
                there, here = self.run_kwargs.get(name), other.run_kwargs.get(name)
                moved = "" if there == here else f" (it was {there!r} there and is {here!r} now)"
                return f"--run-kwargs {name}: the content of the data has changed{moved}"
        for name in {**self.run_kwargs, **other.run_kwargs}:
            if name in self.data and name in other.data:
                continue
            if name not in self.run_kwargs or name not in other.run_kwargs:
                return (
                    f"--run-kwargs was {dict(self.run_kwargs)!r} there and is {dict(other.run_kwargs)!r} now"
                )
            there, here = self.run_kwargs[name], other.run_kwargs[name]
            if there != here and not (name in other.data and _has_last_part(there, here)):
                return f"--run-kwargs {name} was {there!r} there and is {here!r} now"
        return None


def _is_called(recorded: str, name: str, attribute: str) -> bool:
    """Return whether a recorded target has a name. Older journals have paths of files, perhaps of another machine.

    >>> _is_called("/home/me/demo/net/model_run.py", "demo.net.model_run.run", "run")
    True
    >>> _is_called("/home/me/run.py:train", "run.py:run", "run")
    False
    """
    path, _, recorded_attribute = recorded.partition(".py:")
    if not (recorded.endswith(".py") or recorded_attribute):
        return recorded == name
    file = PurePath(path if recorded_attribute else recorded.removesuffix(".py"))
    if ".py:" in name:
        return f"{file.name}.py:{recorded_attribute or attribute}" == name
    *module, last = name.split(".")
    return last == (recorded_attribute or attribute) and list(file.parts[-len(module) :]) == module


def _has_last_part(there: Any, here: Any) -> bool:
    """Return whether two paths end in the same name."""
    both = isinstance(there, str) and isinstance(here, str)
    return both and PurePath(there).name == PurePath(here).name


def _space_difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Return which part of a problem has changed and how; None if nothing has."""
    before, now = there.get("space", {}), here.get("space", {})
    old, new = ({each["name"]: each for each in space.get("hyperparameters", [])} for space in (before, now))
    for name in {**old, **new}:
        if name not in new:
            return f"the space has changed: hyperparameter {name!r} is gone"
        if name not in old:
            return f"the space has changed: hyperparameter {name!r} is new"
        for part in sorted({**old[name], **new[name]}, key=lambda part: (part == "default_value", part)):
            one, other = old[name].get(part), new[name].get(part)
            if not _equal(one, other) and not (part == "default_value" and _close(one, other)):
                return f"the space has changed: {name}: {part} was {one!r} there and is {other!r} now"
    for part in ("conditions", "forbiddens"):
        one, other = (sorted(map(_text, space.get(part, []))) for space in (before, now))
        if not _equal([json.loads(text) for text in one], [json.loads(text) for text in other]):
            changed = [f"{text} is gone" for text in one if text not in other]
            changed += [f"{text} is new" for text in other if text not in one]
            return f"the {part} of the space have changed: {changed[0] if changed else 'their number'}"
    return _points_difference(there.get("starting_points", []), here.get("starting_points", []))


def _points_difference(there: Sequence[Any], here: Sequence[Any]) -> str | None:
    """Return which starting point has changed; None if none has."""
    for number in range(max(len(there), len(here))):
        one, other = (points[number] if number < len(points) else None for points in (there, here))
        if not _equal(one, other):
            return f"starting point {number} was {one!r} there and is {other!r} now"
    return None


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _equal(recorded: Any, given: Any) -> bool:
    """Return whether JSON data is equal, type by type; a recorded float may have been rounded."""
    if isinstance(recorded, dict) and isinstance(given, dict):
        return recorded.keys() == given.keys() and all(_equal(recorded[name], given[name]) for name in given)
    if isinstance(recorded, list) and isinstance(given, list):
        return len(recorded) == len(given) and all(map(_equal, recorded, given))
    if type(recorded) is float and type(given) is float:
        return recorded in (given, round(given, DECIMALS))
    return type(recorded) is type(given) and bool(recorded == given)


def _close(recorded: Any, given: Any) -> bool:
    both = isinstance(recorded, float) and isinstance(given, float)
    return both and math.isclose(recorded, given, rel_tol=1e-9, abs_tol=10**-DECIMALS)
