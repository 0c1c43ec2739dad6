"""Loading the problem of a search."""

from __future__ import annotations

import ConfigSpace as cs

from dh_project.common.errors import UserError
from dh_project.problem import HpProblem
from dh_project.user_code.importing import load_attribute, without_mpi4py


def load_problem(target: str) -> HpProblem:
    """Load a problem, ours or today's DeepHyper's.

    Raises:
        UserError: There is none at the target, or it has no hyperparameter.
    """
    with without_mpi4py():  # a problem module may import DeepHyper
        loaded = load_attribute(target, "Problem")
    if not isinstance(loaded, HpProblem):
        space = getattr(loaded, "space", None)
        if not isinstance(space, cs.ConfigurationSpace):
            raise UserError(f"--problem {target}: a {type(loaded).__name__} is no HpProblem")
        loaded = HpProblem(space)
    if not len(loaded):
        raise UserError(f"--problem {target}: it has no hyperparameter; add one with add_hyperparameter")
    return loaded
