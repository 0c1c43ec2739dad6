"""Comparison of configurations by the objectives of their replicates: means, standard errors and significance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dh_project.results.replicates import FEWEST, standard_error

LEVEL = 0.05
"""Largest p-value of a significant difference."""


@dataclass(frozen=True)
class Comparison:
    """Two configurations, the one with the larger mean first.

    Attributes:
        first: Name of the configuration with the larger mean objective.
        second: Name of the other one.
        difference: Difference of the means, at least 0.
        standard_error: Standard error of the difference.
        p: p-value of the difference, corrected for the number of compared configurations.

    Example:
        >>> Comparison("trial 7", "the default configuration", 0.012, 0.003, 0.002).in_words()
        'trial 7 is better than the default configuration (difference 0.012 +- 0.003, p = 0.002)'
    """

    first: str
    second: str
    difference: float
    standard_error: float
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether the means differ significantly, at the level of 5 %."""
        return self.p <= LEVEL

    def in_words(self) -> str:
        """Return a sentence about the difference."""
        p = f"p = {self.p:.2g}" if self.p >= 1e-4 else "p < 0.0001"
        numbers = f"(difference {self.difference:.2g} +- {self.standard_error:.2g}, {p})"
        if self.is_significant:
            return f"{self.first} is better than {self.second} {numbers}"
        return f"{self.first} and {self.second} do not differ significantly {numbers}"


def compare(objectives: Mapping[str, Sequence[float]]) -> list[Comparison]:
    """Compare all pairs of configurations by the Games-Howell test.

    It is Welch's t-test, which allows unequal variances, with p-values that are corrected for the number of
    configurations. Configurations with fewer than two objectives are left out.

    Args:
        objectives: The objectives of each configuration, by its name. Larger is better.

    Returns:
        The comparisons of all pairs, in the order of the names.

    Example:
        >>> [found] = compare({"old": [1.0, 1.1, 0.9], "new": [2.0, 2.1, 1.9]})
        >>> found.first, found.is_significant
        ('new', True)
    """
    from scipy.stats import tukey_hsd  # slow to import

    samples = {name: values for name, values in objectives.items() if len(values) >= FEWEST}
    if len(samples) < FEWEST:
        return []
    with np.errstate(divide="ignore", invalid="ignore"):  # of samples without any variance
        p_values = tukey_hsd(*samples.values(), equal_var=False).pvalue
    means = {name: statistics.fmean(values) for name, values in samples.items()}
    errors = {name: standard_error(values) or 0.0 for name, values in samples.items()}
    found = []
    for (i, one), (j, other) in combinations(enumerate(samples), 2):
        first, second = (one, other) if means[one] >= means[other] else (other, one)
        difference, error = means[first] - means[second], math.hypot(errors[first], errors[second])
        p = float(p_values[i, j]) if error else float(difference == 0)
        found.append(Comparison(first, second, difference, error, p))
    return found
