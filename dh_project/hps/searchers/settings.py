"""Settings of AMBS, named as in old DeepHyper."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from dh_project.common.errors import UserError, unknown

SURROGATES = ("auto", "GP", "ET", "RF", "DUMMY")
ACQUISITIONS = ("auto", "UCB", "EI", "PI", "gp_hedge", "UCBd", "EId", "PId", "gp_hedged")
OLD_ACQUISITIONS = {"LCB": "UCB"}
"""Old DeepHyper minimised; its lower confidence bound is the upper bound of a maximised objective."""

MOST_FEATURES = 50
"""Largest number of features with which ``auto`` uses a Gaussian process. Its cost grows with the features."""


@dataclass(frozen=True)
class AMBSSettings:
    """Settings of the surrogate model and the acquisition function. ``docs/ambs.rst`` explains the defaults.

    Attributes:
        surrogate_model: ``GP`` (Gaussian process), ``ET`` (extremely randomised trees), ``RF`` (random forest),
            ``DUMMY`` (random sampling), or ``auto``: ``GP``, or ``ET`` in spaces of more than 50 features.
        acq_func: Acquisition function. With a final ``d`` it uses only the epistemic part of the uncertainty. A
            Gaussian process always does. ``auto`` is ``EI`` for a Gaussian process and ``UCBd`` for trees.
        kappa: Weight of the uncertainty in UCB, at the start of its decay.
        xi: Least expected improvement in EI and PI, at the start of its decay.
        n_initial_points: Number of trials, including starting points, before the first model.
        n_jobs: Number of cores for the surrogate.

    Example:
        >>> AMBSSettings.checked(acq_func="LCB").acq_func
        'UCB'
    """

    surrogate_model: str = "auto"
    acq_func: str = "auto"
    kappa: float = 1.96
    xi: float = 0.01
    n_initial_points: int = 4
    n_jobs: int = 1

    @classmethod
    def checked(cls, surrogate_model: str = "auto", acq_func: str = "auto", **numbers: float) -> AMBSSettings:
        """Return settings, with old names of acquisition functions replaced.

        Raises:
            UserError: A name is unknown, DeepHyper no longer has the surrogate, or a number is out of range.
        """
        names = [each.name for each in fields(cls)]
        for name, value in numbers.items():
            if name not in names:
                raise unknown("setting of ambs", name, names)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UserError(f"{name}={value!r}: give a number")
        for name in ("n_initial_points", "n_jobs"):
            if (number := numbers.get(name, 1)) < 1 or number != int(number):
                raise UserError(f"{name}={number}: give a whole number from 1 on")
        if surrogate_model in ("GBRT", "HGBRT"):
            raise UserError(
                f"--surrogate-model {surrogate_model}: DeepHyper 0.13 no longer has it; use ET or RF"
            )
        if surrogate_model not in SURROGATES:
            raise unknown("surrogate", surrogate_model, SURROGATES)
        acq_func = OLD_ACQUISITIONS.get(acq_func, acq_func)
        if acq_func not in ACQUISITIONS:
            raise unknown("acquisition function", acq_func, ACQUISITIONS)
        for name in ("kappa", "xi"):
            if not 0 <= numbers.get(name, 0.0) < math.inf:
                raise UserError(f"--{name} {numbers[name]:g}: give a number from 0 on")
        return cls(surrogate_model, acq_func, **numbers)  # type: ignore[arg-type]

    def surrogate_for(self, width: int) -> str:
        """Return the surrogate for a space of ``width`` features."""
        if self.surrogate_model != "auto":
            return self.surrogate_model
        return "GP" if width <= MOST_FEATURES else "ET"

    def acquisition_for(self, surrogate: str, number: int) -> str:
        """Return the acquisition function for a surrogate and the number of a proposal.

        Gaussian processes take the three functions of ``gp_hedge`` in turn. They have no functions with a ``d``.
        """
        if self.acq_func == "auto":
            return "EI" if surrogate == "GP" else "UCBd"
        if surrogate != "GP":
            return self.acq_func
        name = self.acq_func.removesuffix("d")
        return ("UCB", "EI", "PI")[number % 3] if name == "gp_hedge" else name
