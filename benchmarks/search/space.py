"""The four hyperparameters that every search of these benchmarks has, ours and Optuna's."""

from __future__ import annotations

from typing import Any

CHOICES = ["identity", "relu", "tanh", "sigmoid"]

PROBLEM = f"""\
from dh_project import HpProblem
Problem = HpProblem()
Problem.add_dim("lr", (1e-4, 1e-1, "log-uniform"))
Problem.add_dim("dropout", (0.0, 0.5))
Problem.add_dim("units", (16, 256, "log-uniform"))
Problem.add_dim("activation", {CHOICES})
"""


def suggest(trial: Any) -> float:
    """Suggest them to an Optuna trial, and do nothing: return the dropout as the objective."""
    trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    trial.suggest_int("units", 16, 256, log=True)
    trial.suggest_categorical("activation", CHOICES)
    dropout: float = trial.suggest_float("dropout", 0.0, 0.5)
    return dropout
