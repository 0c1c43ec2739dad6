"""``HpProblem``: a space of hyperparameters with starting points, with the methods of DeepHyper's tutorial."""

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
"""Names that ``topk`` uses for other values than hyperparameters."""


class HpProblem:
    """A space of hyperparameters with starting points.

    Args:
        config_space: An existing space; None for an empty one.

    Attributes:
        space: The ``ConfigSpace.ConfigurationSpace``.
        starting_points: The points that a search evaluates first, in order.

    Example:
        >>> problem = HpProblem()
        >>> lr = problem.add_dim("lr", (1e-4, 1.0, "log-uniform"))
        >>> optim = problem.add_dim("optim", ["SGD", "Adam"])
        >>> problem.add_starting_point(lr=0.01, optim="SGD")
        >>> problem.starting_points
        [{'lr': 0.01, 'optim': 'SGD'}]
    """

    def __init__(self, config_space: cs.ConfigurationSpace | None = None) -> None:
        self.space = config_space or cs.ConfigurationSpace()
        self.starting_points: list[Point] = []

    # ---- definition

    def add_hyperparameter(
        self, value: Any, name: str | None = None, default_value: Any = None
    ) -> Hyperparameter:
        """Add a hyperparameter.

        Args:
            value: ``(low, high)`` of integers or floats, ``(low, high, "log-uniform")``, a list of choices (ordered
            if
                all are numbers), ``{"mu": ..., "sigma": ..., "lower": ..., "upper": ...}``, a constant, or a
                ConfigSpace hyperparameter.
            name: Name of the hyperparameter; not needed if ``value`` is a ConfigSpace hyperparameter.
            default_value: The default, which is printed with the space.

        Returns:
            The ConfigSpace hyperparameter, for use in conditions.

        Raises:
            UserError: The value has another form, or the name is in use or reserved.
        """
        added = hyperparameter(value, name, default_value)
        if added.name in RESERVED:
            raise UserError(f"hyperparameter {added.name!r}: the results use this name; choose another")
        if added.name in self.space:
            raise UserError(f"hyperparameter {added.name!r} is defined twice; define it once")
        self.space.add(added)
        return added

    def add_dim(self, p_name: str, p_space: Any, default_value: Any = None) -> Hyperparameter:
        """Add a hyperparameter; the same as :meth:`add_hyperparameter` with the name first, as in the tutorial."""
        return self.add_hyperparameter(p_space, p_name, default_value)

    def add_hyperparameters(self, hyperparameters: Iterable[Hyperparameter]) -> list[Hyperparameter]:
        """Add several ConfigSpace hyperparameters."""
        return [self.add_hyperparameter(added) for added in hyperparameters]

    def add_starting_point(self, **point: Any) -> None:
        """Add a point that is evaluated before any proposed one. Define the hyperparameters first.

        Args:
            **point: The value of each hyperparameter by name.

        Raises:
            UserError: A name is missing or unknown, or the point lies outside the space.
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

    # ---- use by searchers

    @property
    def hyperparameter_names(self) -> list[str]:
        """Names of the hyperparameters, in the space's order."""
        return list(self.space)

    def __len__(self) -> int:
        return len(self.space)

    def checked(self, point: Mapping[str, Any]) -> Point:
        """Return the point in the space's order, with Python's own types and without inactive hyperparameters.

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
        """Return whether a point lies in the space.

        Args:
            point: The value of each hyperparameter by name.
            raise_if_not_valid: Whether to raise an error if the point lies outside the space.

        Raises:
            UserError: The point lies outside the space.
        """
        try:
            self.checked(point)
        except UserError:
            if raise_if_not_valid:
                raise
            return False
        return True

    def sample(self, seed: int) -> Point:
        """Return a random point. Equal seeds give equal points."""
        self.space.seed(seed)
        return self.checked(dict(self.space.sample_configuration()))

    def vector(self, point: Mapping[str, Any]) -> np.ndarray:
        """Return the point as a row: float64 (hyperparameters,); NaN for an inactive hyperparameter.

        A number is scaled to [0, 1] over its range, or over the logarithm of a logarithmic range. A choice is its
        index.
        """
        return np.asarray(cs.Configuration(self.space, values=dict(point)).get_array())

    @property
    def default_configuration(self) -> Point:
        """The point with the default of each hyperparameter."""
        return self.checked(dict(self.space.get_default_configuration()))

    def to_json(self) -> dict[str, Any]:
        """Return the space and the starting points as JSON data. Equal problems give equal data."""
        data = {"space": self.space.to_serialized_dict(), "starting_points": self.starting_points}
        plain_data: dict[str, Any] = json.loads(
            json.dumps(data)
        )  # lists in place of tuples, as after reading the JSON text
        return plain_data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HpProblem:
        """Return the problem of data from :meth:`to_json`."""
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
    """Return a hyperparameter's value with a Python type: an integer if the range has integers."""
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
    """Return whether a value lies in a hyperparameter's range, also if ConfigSpace fails (1e30 for an integer)."""
    try:
        return bool(dimension.legal_value(value))
    except (TypeError, AttributeError, ValueError, OverflowError):
        return False
