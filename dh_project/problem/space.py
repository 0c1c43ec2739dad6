"""``HpProblem``: a ConfigSpace with starting points, written as DeepHyper's tutorial writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import Hyperparameter
from ConfigSpace.util import deactivate_inactive_hyperparameters

from dh_project.common.errors import UserError, did_you_mean, one_line
from dh_project.problem.shorthand import hyperparameter

Point = dict[str, Any]

RESERVED = ("id", "elapsed_sec", "objective", "rerun")
"""Names that ``topk`` gives to other things than hyperparameters."""


class HpProblem:
    """A space of hyperparameters and the points to begin with.

    Args:
        config_space: A ready space, or None to begin with an empty one.

    Attributes:
        space: The ``ConfigSpace.ConfigurationSpace``.
        starting_points: The points that a search evaluates before any other, in order.
    """

    def __init__(self, config_space: cs.ConfigurationSpace | None = None) -> None:
        self.space = config_space or cs.ConfigurationSpace()
        self.starting_points: list[Point] = []

    # ---- what a problem module says

    def add_hyperparameter(
        self, value: Any, name: str | None = None, default_value: Any = None
    ) -> Hyperparameter:
        """Add a hyperparameter.

        Args:
            value: ``(low, high)`` of integers or floats, ``(low, high, "log-uniform")``, a list of choices (all
                numbers: ordered), ``{"mu": …, "sigma": …, "lower": …, "upper": …}``, a constant, or a ConfigSpace
                hyperparameter.
            name: Its name; not needed where ``value`` is a ConfigSpace hyperparameter.
            default_value: The default, for the print-out.

        Returns:
            The ConfigSpace hyperparameter, to be named in conditions.

        Raises:
            UserError: The value is none of these forms, or the name is taken or reserved.
        """
        added = hyperparameter(value, name, default_value)
        if added.name in RESERVED:
            raise UserError(f"hyperparameter {added.name!r}: the results use this name; choose another")
        if added.name in self.space:
            raise UserError(f"hyperparameter {added.name!r} is defined twice; define it once")
        self.space.add(added)
        return added

    def add_dim(self, p_name: str, p_space: Any, default_value: Any = None) -> Hyperparameter:
        """Add a hyperparameter by name and value, the tutorial's order."""
        return self.add_hyperparameter(p_space, p_name, default_value)

    def add_hyperparameters(self, hyperparameters: Iterable[Hyperparameter]) -> list[Hyperparameter]:
        """Add several ConfigSpace hyperparameters."""
        return [self.add_hyperparameter(added) for added in hyperparameters]

    def add_starting_point(self, **point: Any) -> None:
        """Add a point that is evaluated before any proposed one; its hyperparameters must be defined before it.

        Raises:
            UserError: The point lacks a name, has an unknown one, or lies outside the space.
        """
        try:
            self.starting_points.append(self.checked(point))
        except UserError as error:
            raise UserError(f"starting point {len(self.starting_points)}: {error}") from None

    def add_condition(self, condition: Any) -> None:
        """Add a ConfigSpace condition."""
        self.space.add(condition)

    def add_conditions(self, conditions: Iterable[Any]) -> None:
        """Add several ConfigSpace conditions."""
        self.space.add(*conditions)

    def add_forbidden_clause(self, clause: Any) -> None:
        """Add a ConfigSpace forbidden clause."""
        self.space.add(clause)

    @property
    def starting_point_asdict(self) -> list[Point]:
        """The starting points, under DeepHyper's old name."""
        return self.starting_points

    # ---- what a searcher asks

    @property
    def hyperparameter_names(self) -> list[str]:
        """Names of the hyperparameters, in the space's order."""
        return list(self.space)

    def __len__(self) -> int:
        return len(self.space)

    def checked(self, point: Mapping[str, Any]) -> Point:
        """Return the point in the space's order and in plain types, without inactive hyperparameters.

        Raises:
            UserError: A name is missing or unknown, or a value lies outside its hyperparameter's range.
        """
        for name in point:
            if name not in self.space:
                raise UserError(f"no hyperparameter is called {name!r}{did_you_mean(name, self.space)}")
        values: Point = {}
        for name, dimension in self.space.items():
            if name not in point:
                continue
            values[name] = plain(point[name], dimension)
            if not is_legal(dimension, values[name]):
                raise UserError(f"{name}={point[name]!r} lies outside the space: {str(dimension).strip()}")
        try:
            configuration = deactivate_inactive_hyperparameters(values, self.space)
            configuration.check_valid_configuration()
        except (ValueError, KeyError) as error:
            missing = [name for name in self.space if name not in values]
            said = f"lacks {', '.join(missing)}" if missing else one_line(error)
            raise UserError(f"{dict(point)}: {said}") from None
        return {name: values[name] for name in self.space if name in dict(configuration)}

    def check_configuration(self, point: Mapping[str, Any], raise_if_not_valid: bool = True) -> bool:
        """Say whether a point lies in the space; by default raise ``UserError`` where it does not."""
        try:
            self.checked(point)
        except UserError:
            if raise_if_not_valid:
                raise
            return False
        return True

    def sample(self, seed: int) -> Point:
        """Return the random point that belongs to a seed."""
        self.space.seed(seed)
        return self.checked(dict(self.space.sample_configuration()))

    def vector(self, point: Mapping[str, Any]) -> np.ndarray:
        """Return the point in the unit cube: float64 (hyperparameters,), NaN where inactive.

        Numbers are scaled to [0, 1] over their range (its logarithm where the range is logarithmic), choices
        are counted from 0.
        """
        return np.asarray(cs.Configuration(self.space, values=dict(point)).get_array())

    @property
    def default_configuration(self) -> Point:
        """The space's defaults, as a point."""
        return self.checked(dict(self.space.get_default_configuration()))

    def to_json(self) -> dict[str, Any]:
        """Return the space and the starting points as JSON data, the same for the same problem."""
        data = {"space": self.space.to_serialized_dict(), "starting_points": self.starting_points}
        plain_data: dict[str, Any] = json.loads(json.dumps(data))  # without tuples, as a reader will see it
        return plain_data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HpProblem:
        """Return the problem that :meth:`to_json` described."""
        problem = cls(cs.ConfigurationSpace.from_serialized_dict(deepcopy(data["space"])))
        for point in data["starting_points"]:
            problem.add_starting_point(**point)
        return problem

    def __repr__(self) -> str:
        text = repr(self.space).rstrip("\n")
        if self.starting_points:
            text += f"\n\n  Starting Point:\n{dict(enumerate(self.starting_points))}\n"
        return text


def plain(value: Any, dimension: Hyperparameter) -> Any:
    """Return a hyperparameter's value as a plain Python one, an integer where the range holds integers."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(dimension, cs.UniformIntegerHyperparameter | cs.NormalIntegerHyperparameter):
        return int(value) if math.isfinite(value) and value == int(value) else value
    if isinstance(dimension, cs.UniformFloatHyperparameter | cs.NormalFloatHyperparameter):
        return float(value)
    return value


def is_legal(dimension: Hyperparameter, value: Any) -> bool:
    """Say whether a value lies in a hyperparameter's range; ConfigSpace fails at some, as 1e30 for an integer."""
    try:
        return bool(dimension.legal_value(value))
    except (TypeError, AttributeError, ValueError, OverflowError):
        return False
