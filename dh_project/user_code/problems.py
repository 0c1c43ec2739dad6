"""Loads the problem of a search."""

from __future__ import annotations

from typing import Any

import ConfigSpace as cs

from dh_project.common.errors import UserError
from dh_project.problem import HpProblem
from dh_project.user_code.importing import load_attribute, without_mpi4py


def load_problem(target: str) -> HpProblem:
    """Load a problem of this package or of DeepHyper.

    Args:
        target: An import path (``package.module.Problem``), a file, or the short name of an installed problem.

    Raises:
        UserError: The target is not a problem, or the problem has no hyperparameter.
    """
    with without_mpi4py():  # a problem module may import DeepHyper
        return as_problem(load_attribute(target, "Problem"), f"--problem {target}")


def as_problem(problem: Any, name: str = "problem") -> HpProblem:
    """Return a problem from an ``HpProblem`` (ours or DeepHyper's) or a ``ConfigurationSpace``.

    Args:
        problem: The object.
        name: Name of the object in error messages.

    Raises:
        UserError: The object is not a problem, it has no hyperparameter, or its values cannot be kept in a journal.
    """
    if not isinstance(problem, HpProblem):
        space = problem if isinstance(problem, cs.ConfigurationSpace) else getattr(problem, "space", None)
        if not isinstance(space, cs.ConfigurationSpace):
            raise UserError(
                f"{name}: {type(problem).__name__} is not an HpProblem; make one with HpProblem() and add_dim"
            )
        problem = HpProblem(space)
    if not len(problem):
        raise UserError(f"{name}: it has no hyperparameter; add one with add_dim")
    try:
        problem.check_types()
        problem.sample(0)  # raises if all points are forbidden
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return problem
