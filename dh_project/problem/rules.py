"""Which hyperparameters of a point are active, which points are forbidden, and random points under these rules.

ConfigSpace's own evaluation takes an And and an Or over the same parents for the same condition, counts an inactive
parent as different from every value, and rounds numbers to 13 decimals. So the rules are evaluated here, on values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ConfigSpace as cs
import numpy as np
from ConfigSpace.conditions import Conjunction
from ConfigSpace.types import NotSet

from dh_project.common.errors import UserError
from dh_project.problem.values import at, places

ENOUGH_DRAWS, MOST_DRAWS = 2**20, 2**24
"""After so many draws, the points found so far are taken, or the space counts as empty. A draw takes about 0.1 µs."""

FIRST_BATCH, LARGEST_BATCH = 5, 2**14


class Space(cs.ConfigurationSpace):
    """A space whose default point follows the rules of this module. ConfigSpace checks it with each addition."""

    def _check_default_configuration(self) -> cs.Configuration:
        defaults = {name: dimension.default_value for name, dimension in self.items()}
        values = active(self, defaults)
        if clause := forbidding(self, values):
            raise UserError(
                f"the default point {values} is forbidden ({clause}); give another default_value to one of these "
                f"hyperparameters, or narrow the clause"
            )
        vector = [places(self[name], [values[name]])[0] if name in values else np.nan for name in self]
        return cs.Configuration(self, vector=np.array(vector, dtype=float))


def active(space: cs.ConfigurationSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the active hyperparameters, in the space's order.

    A hyperparameter is active if its condition holds. A condition on an inactive parent does not hold.

    Args:
        space: The space, in which parents come before their children.
        values: Values by name.

    Raises:
        UserError: An active hyperparameter has no value.
    """
    known: dict[str, Any] = {}
    lacks = []
    for name in space:
        is_active = all(condition.satisfied_by_value(known) for condition in space.parent_conditions_of[name])
        known[name] = values.get(name, NotSet) if is_active else NotSet
        if is_active and name not in values:
            lacks.append(name)
    if lacks:
        raise UserError(f"{dict(values)}: lacks {', '.join(lacks)}")
    return {name: value for name, value in known.items() if value is not NotSet}


def forbidding(space: cs.ConfigurationSpace, values: Mapping[str, Any]) -> str | None:
    """Return the clause that forbids a point, as a text; None if the point is allowed.

    Args:
        space: The space.
        values: The values of the active hyperparameters.
    """
    return next((str(c) for c in space.forbidden_clauses if c.is_forbidden_value(dict(values))), None)


def random_points(space: cs.ConfigurationSpace, count: int, seed: int) -> list[dict[str, Any]]:
    """Return random points of a space: ``count`` of them, or fewer but at least one if most points are forbidden.

    Args:
        space: The space.
        count: Number of points.
        seed: Equal seeds give equal points.

    Raises:
        UserError: No allowed point was found.
    """
    found: list[dict[str, Any]] = []
    for drawn, point in _draws(space, count, np.random.RandomState(seed)):
        if point is not None:
            found.append(point)
        if len(found) == count or (found and drawn >= ENOUGH_DRAWS):
            return found
    raise UserError(
        f"none of {MOST_DRAWS:,} random points of the space is allowed by its forbidden clauses; narrow the ranges "
        f"or the clauses"
    )


def _draws(
    space: cs.ConfigurationSpace, count: int, random: np.random.RandomState
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the number of draws and an allowed point; None at the end of each batch."""
    dimensions = list(space.values())
    has_rules = bool(space.forbidden_clauses) or any(map(space.parent_conditions_of.get, space))
    drawn, size = 0, max(count, FIRST_BATCH)
    while drawn < MOST_DRAWS:
        rows = np.array([dimension.sample_vector(size, seed=random) for dimension in dimensions])
        rows = rows.reshape(len(dimensions), size)
        drawn += size
        kept = _allowed(space, rows) if space.forbidden_clauses else rows
        columns = [at(dimension, row) for dimension, row in zip(dimensions, kept, strict=True)]
        for index in range(kept.shape[1]):
            named = {name: column[index] for name, column in zip(space, columns, strict=True)}
            if not has_rules:
                yield drawn, named
                continue
            point = active(space, named)
            if forbidding(space, point) is None:
                yield drawn, point
        yield drawn, None
        size = min(2 * size, LARGEST_BATCH)


def _allowed(space: cs.ConfigurationSpace, rows: np.ndarray) -> np.ndarray:
    """Return the columns of ``rows``, float64 (hyperparameters, points), that no clause forbids.

    This is a fast selection on numbers, which may differ from the exact one in the last digit.
    """
    masked = rows.copy()
    for index, name in enumerate(space):
        for condition in space.parent_conditions_of[name]:
            masked[index, ~_holds(condition, masked)] = np.nan
    allowed = np.ones(rows.shape[1], dtype=bool)
    for clause in space.forbidden_clauses:
        allowed &= ~clause.is_forbidden_vector_array(masked)
    return rows[:, allowed]


def _holds(condition: Any, rows: np.ndarray) -> np.ndarray:
    """Return for which columns of ``rows`` a condition holds: bool (points,)."""
    if isinstance(condition, Conjunction):
        join = np.logical_and if isinstance(condition, cs.AndConjunction) else np.logical_or
        return np.array(join.reduce([_holds(part, rows) for part in condition.components]))
    is_active = ~np.isnan(rows[condition.parent_vector_id])
    both: np.ndarray = condition.satisfied_by_vector_array(rows) & is_active
    return both
