"""Converts points to rows of numbers, for distances and models.

A row has one column per hyperparameter, in the space's order. A number is scaled to [0, 1] over its range, or over
the logarithm of a logarithmic range. A choice is its index. An inactive hyperparameter is :data:`INACTIVE`.
"""

from __future__ import annotations

from collections.abc import Sequence

import ConfigSpace as cs
import numpy as np
from ConfigSpace.hyperparameters import Hyperparameter
from scipy.spatial import KDTree

from dh_project.problem import HpProblem
from dh_project.problem.rules import random_points
from dh_project.problem.values import INTEGERS, at, choices_of, places
from dh_project.trial.trial import Point

INACTIVE = -1.0
"""Its distance from every active value is at least 1, the same as between two choices."""

CHANGED = 0.15
"""Share of a neighbour's choices that are drawn at random."""

STEPS = (0.01, 0.3)
"""Smallest and largest standard deviation of a neighbour's numbers, as a share of their range."""


class Cube:
    """Converts between points of a problem and rows.

    Args:
        problem: The problem.

    Attributes:
        dimensions: The hyperparameters, in the space's order.
        choices: Number of choices of each hyperparameter, int (hyperparameters,); 0 for a number.
        decides: Whether other hyperparameters depend on a hyperparameter, bool (hyperparameters,).

    Example:
        >>> problem = HpProblem()
        >>> _ = problem.add_dim("lr", (0.01, 1.0, "log-uniform"))
        >>> _ = problem.add_dim("optim", ["SGD", "Adam"])
        >>> Cube(problem).vectors([{"lr": 0.1, "optim": "Adam"}])
        array([[0.5, 1. ]])
    """

    def __init__(self, problem: HpProblem) -> None:
        self.problem = problem
        self.dimensions = list(problem.space.values())
        self.choices = np.array([len(choices_of(dimension)) for dimension in self.dimensions])
        self._kinds = [_kind(dimension) for dimension in self.dimensions]
        self.decides = np.array([bool(problem.space.children_of[name]) for name in problem.space])

    def vectors(self, points: Sequence[Point]) -> np.ndarray:
        """Return the rows of points: float64 (points, hyperparameters)."""
        return self._rows(points)

    def _rows(self, points: Sequence[Point]) -> np.ndarray:
        rows = np.full((len(points), len(self.dimensions)), INACTIVE)
        for column, dimension in enumerate(self.dimensions):
            active = [index for index, point in enumerate(points) if dimension.name in point]
            if not active:
                continue
            rows[active, column] = places(dimension, [points[index][dimension.name] for index in active])
        return rows

    def point(self, vector: np.ndarray) -> Point:
        """Return the point of one row (hyperparameters,).

        Raises:
            UserError: The space forbids the point.
        """
        active = [(d, value) for d, value in zip(self.dimensions, vector, strict=True) if value != INACTIVE]
        return self.problem.checked({d.name: at(d, np.array([value]))[0] for d, value in active})

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Return the rows of random points of the space: float64 (points, hyperparameters).

        There are ``count`` points, or fewer but at least one if most of the space is forbidden.
        """
        return self._rows(random_points(self.problem.space, count, seed))

    def around(self, parents: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Return rows near parents: some numbers are changed slightly, and some choices are drawn at random.

        Hyperparameters on which others depend keep their values, so that the same hyperparameters stay active.

        Args:
            parents: Rows, float64 (parents, hyperparameters).
            count: Number of rows to draw; forbidden ones are left out.
            seed: Equal seeds give equal rows.

        Returns:
            At most ``count`` rows, float64 (rows, hyperparameters).
        """
        random = np.random.RandomState(seed)
        rows = parents[random.randint(len(parents), size=count)]
        smallest, largest = np.log(STEPS)
        step = np.exp(random.uniform(smallest, largest, size=(count, 1)))
        moved = rows + step * random.normal(size=rows.shape)
        moved = np.clip(np.where(moved > 1, 2 - moved, np.abs(moved)), 0.0, 1.0)  # reflected at the bounds
        share = np.maximum(random.uniform(size=(count, 1)), 1 / rows.shape[1])
        moves = random.uniform(size=rows.shape) < share
        fresh = np.stack(
            [dimension.sample_vector(count, seed=random) for dimension in self.dimensions], axis=1
        )
        changes = random.uniform(size=rows.shape) < CHANGED
        fixed = self.decides | (rows == INACTIVE)
        is_number = self.choices == 0
        rows = np.where(~fixed & is_number & moves, moved, rows)
        rows = np.where(~fixed & ~is_number & changes, fresh, rows)
        for column, dimension in enumerate(self.dimensions):
            if isinstance(dimension, INTEGERS):
                active = rows[:, column] != INACTIVE
                rows[active, column] = places(dimension, at(dimension, rows[active, column]))
        with_nan = np.where(rows == INACTIVE, np.nan, rows).T
        allowed = np.ones(count, dtype=bool)
        for clause in self.problem.space.forbidden_clauses:
            allowed &= ~clause.is_forbidden_vector_array(with_nan)
        return rows[allowed]

    # ---- features for models

    @property
    def width(self) -> int:
        """Number of features."""
        return self.features(np.zeros((1, len(self.dimensions)))).shape[1]

    def features(self, vectors: np.ndarray) -> np.ndarray:
        """Return the features of rows: float64 (points, features), each in [0, 1].

        A choice among k unordered values has k features, one of which is 1. The features of an inactive
        hyperparameter are 0. A hyperparameter with one value has no feature.
        """
        blocks = []
        for column, kind in enumerate(self._kinds):
            values = np.clip(vectors[:, column : column + 1], 0.0, None)
            if kind == "choice":
                blocks.append(
                    (vectors[:, column : column + 1] == np.arange(self.choices[column])).astype(float)
                )
            elif kind == "order":
                blocks.append(values / (self.choices[column] - 1))
            elif kind == "number":
                blocks.append(values)
        return np.concatenate([np.empty((len(vectors), 0)), *blocks], axis=1)

    def vector(self, features: np.ndarray) -> np.ndarray:
        """Return the row (hyperparameters,) of features (features,), with all hyperparameters active."""
        row, start = np.zeros(len(self.dimensions)), 0
        for column, kind in enumerate(self._kinds):
            size = int(self.choices[column])
            if kind == "choice":
                row[column] = features[start : start + size].argmax()
                start += size
            elif kind != "constant":
                row[column] = round(features[start] * (size - 1)) if kind == "order" else features[start]
                start += 1
        return row


def _kind(dimension: Hyperparameter) -> str:
    """Return how a hyperparameter is converted to features: constant, choice, order or number."""
    if len(choices_of(dimension)) == 1 or getattr(dimension, "size", 0) == 1:
        return "constant"
    if isinstance(dimension, cs.CategoricalHyperparameter):
        return "choice"
    return "order" if isinstance(dimension, cs.OrdinalHyperparameter) else "number"


def distances(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return each row's distance to the nearest of other rows: float64 (rows,); infinite if there are no others.

    The distance of two rows is their largest difference in a column. It is 1 or more if a choice differs, or if a
    hyperparameter is active in only one of them.

    >>> distances(np.array([[0.0, 0.5]]), np.array([[0.1, 0.8], [1.0, 0.5]]))
    array([0.3])
    """
    if not len(others):
        return np.full(len(vectors), np.inf)
    nearest: np.ndarray = KDTree(others).query(vectors, p=np.inf)[0]
    return nearest
