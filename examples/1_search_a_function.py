"""Search for the maximum of a function of three hyperparameters.

    python 1_search_a_function.py

Run it again: all trials have ended, so it only prints the result. Change ``max_evals`` to 60 and it goes on.
"""

import math

import dh_project as dh

problem = dh.HpProblem()
problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))  # a float, searched by its logarithm
problem.add_dim("layers", (1, 6))  # an integer
problem.add_dim("activation", ["relu", "tanh"])  # a category
problem.add_starting_point(lr=0.01, layers=2, activation="tanh")  # tried first


def run(point):
    """Return the objective of a point, which the search maximises. A training would return its validation score."""
    penalty = {"relu": 0.0, "tanh": 0.2}[point["activation"]]
    return -((math.log10(point["lr"]) + 2.5) ** 2) - 0.1 * (point["layers"] - 4) ** 2 - penalty


found = dh.search(problem, run, folder="search_a_function", max_evals=30, evaluator="process")

print(f"best of {len(found.trials)} trials: {found.best.objective:.4f}")
print(found.best.point)
