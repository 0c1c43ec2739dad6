"""``HpProblem``: a space of hyperparameters with starting points, with the methods of DeepHyper's tutorial."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import Hyperparameter

from dh_project.common.errors import UserError, did_you_mean, one_line
from dh_project.problem.ranges import ENCODERS
from dh_project.problem.rules import Space, active, forbidding, random_points
from dh_project.problem.serialization import space_of_data
from dh_project.problem.shorthand import hyperparameter
from dh_project.problem.values import IllegalValue, check_dimension, legal, places, plain

Point = dict[str, Any]

RESERVED = ("id", "elapsed_sec", "objective", "rerun")
"""Names that ``topk`` uses for other values than hyperparameters."""


FACT = "m:"
"""Prefix that ``topk`` uses for the names of recorded values."""


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
        self.space = Space() if config_space is None else config_space
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
        check_dimension(added)
        if added.name in RESERVED or added.name.startswith(FACT):
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
            try:
                values[name] = legal(dimension, point[name])
            except IllegalValue:
                said = f"{name}={point[name]!r} lies outside the space: {str(dimension).strip()}"
                raise UserError(said) from None
        values = active(self.space, values)
        if clause := forbidding(self.space, values):
            raise UserError(f"{values} is forbidden: {clause}")
        return values

    def check_types(self) -> None:
        """Check that all values of the space keep their types and digits in a point and in the journal.

        Raises:
            UserError: A choice or a range of a hyperparameter cannot be kept.
        """
        for dimension in self.space.values():
            check_dimension(dimension)

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
        """Return a random point. Equal seeds give equal points.

        Raises:
            UserError: No allowed point was found.
        """
        return random_points(self.space, 1, seed)[0]

    def vector(self, point: Mapping[str, Any]) -> np.ndarray:
        """Return the point as a row: float64 (hyperparameters,); NaN for an inactive hyperparameter.

        A number is scaled to [0, 1] over its range, or over the logarithm of a logarithmic range. A choice is its
        index.
        """
        row = [
            places(dimension, [point[name]])[0] if name in point else np.nan
            for name, dimension in self.space.items()
        ]
        return np.array(row, dtype=float)

    @property
    def default_configuration(self) -> Point:
        """The point with the default of each hyperparameter."""
        return self.checked({name: dimension.default_value for name, dimension in self.space.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the space and the starting points as JSON data. Equal problems give equal data.

        Raises:
            UserError: A part of the space is not JSON data.
        """
        space = self.space.to_serialized_dict(encoders=ENCODERS)
        try:
            text = json.dumps({"space": space, "starting_points": self.starting_points}, default=_as_json)
        except TypeError as error:
            raise UserError(f"the space cannot be kept in the journal: {one_line(error)}") from None
        data: dict[str, Any] = json.loads(text)  # lists in place of tuples, as after reading the journal
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HpProblem:
        """Return the problem of data from :meth:`to_json`."""
        problem = cls(space_of_data(data["space"]))
        for point in data["starting_points"]:
            problem.add_starting_point(**point)
        return problem

    def __repr__(self) -> str:
        text = repr(self.space).rstrip("\n")
        if self.starting_points:
            text += f"\n\n  Starting Point:\n{dict(enumerate(self.starting_points))}\n"
        return text


def _as_json(value: Any) -> Any:
    """Return NumPy's numbers as Python's, for ``json.dumps``.

    Raises:
        TypeError: The value is not JSON data.
    """
    if isinstance(value, np.generic):
        return plain(value)
    raise TypeError(f"a value of type {type(value).__name__}")
