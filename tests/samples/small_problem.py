"""A space of three hyperparameters, with two points to begin with."""

from dh_project import HpProblem

Problem = HpProblem()
Problem.add_dim("x", (0.0, 10.0))
Problem.add_dim("units", (1, 100))
Problem.add_dim("activation", ["identity", "relu", "sigmoid", "tanh"])
Problem.add_starting_point(x=1.0, units=10, activation="identity")
Problem.add_starting_point(x=2.0, units=10, activation="relu")
