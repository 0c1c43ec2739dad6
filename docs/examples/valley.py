"""A stand-in for a training, made of formulas: so quick that one can look at the search itself.

    deephyper hps ambs --evaluator process --max-evals 80 --problem valley.py --run valley.py

A narrow valley in the learning rate moves with the number of units, the rest is smooth, and the best objective is 0.
Where the model would be too large for its machine, a trial fails. As a training each takes longer than a proposal.
"""

import math
import time
from typing import Any

from dh_project import HpProblem

Problem = HpProblem()
Problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))
Problem.add_dim("units", (16, 256, "log-uniform"))
Problem.add_dim("layers", (1, 6))
Problem.add_dim("neighbours", [8, 12, 16])
Problem.add_dim("dropout", (0.0, 0.5))
Problem.add_dim("activation", ["identity", "relu", "sigmoid", "tanh"])

LOSS = {"identity": 0.5, "relu": 0.0, "sigmoid": 0.3, "tanh": 0.15}
LARGEST = 900
SECONDS = 0.3


def run(point: dict[str, Any]) -> float:
    """Return minus the loss of a point."""
    time.sleep(SECONDS)
    if point["units"] * point["layers"] > LARGEST:
        raise MemoryError(f"{point['layers']} layers of {point['units']} units do not fit")
    units = math.log2(point["units"])
    lr = math.log10(point["lr"]) + 2.5 + 0.3 * (units - 6)
    width, depth = (units - 6.5) / 4, point["layers"] - 4
    loss = lr**2 + width**2 + 0.05 * depth**2 + 0.1 * ((point["neighbours"] - 12) / 4) ** 2
    return -(loss + 2 * (point["dropout"] - 0.15) ** 2 + LOSS[point["activation"]])
