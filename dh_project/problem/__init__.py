"""The problem: the space of hyperparameters, with starting points."""

from dh_project.problem.space import HpProblem, load_problem

__all__ = ["HpProblem", "load_problem"]
