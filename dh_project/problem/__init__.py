"""The problem: the space of hyperparameters, with starting points."""

from dh_project.problem.space import HpProblem

__all__ = ["HpProblem"]
