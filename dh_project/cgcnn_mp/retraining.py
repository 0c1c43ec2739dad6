"""Training one point from the command line: what ``default_config`` and ``best_config`` share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.cgcnn_mp.crystals import SHIPPED
from dh_project.cgcnn_mp.figures import draw_training_curve
from dh_project.cgcnn_mp.model_run import prepare, run
from dh_project.errors import UserError
from dh_project.running import Connection, connect


class Console(Connection):
    """Tells a person what the worker would be told in a search."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.facts: dict[str, Any] = {}

    def report(self, step: int, objective: float) -> bool:
        """Print the epoch's validation MAE."""
        print(f"epoch {step}: validation MAE {-objective:.4f} {self.unit}", flush=True)
        return True

    def record(self, facts: dict[str, Any]) -> None:
        """Keep the facts."""
        self.facts.update(facts)


def retrain(
    point: Mapping[str, Any], run_kwargs: Mapping[str, Any], folder: str, recorded: float | None = None
) -> None:
    """Train a point, print its objective, and leave the training's files and curve in a folder.

    Args:
        point: The hyperparameters.
        run_kwargs: Arguments of ``run``.
        folder: The folder, where ``run_kwargs`` names none.
        recorded: The objective that a search found, to print beside the new one.

    Raises:
        ValueError: The point or an argument is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.
    """
    constants = {name: value for name, value in run_kwargs.items() if name != "folder"}
    prepare(**constants)
    home = Path(run_kwargs.get("folder") or folder)
    unit = "eV/atom" if run_kwargs.get("data", SHIPPED) == SHIPPED else "in the label's unit"
    console = Console(unit)
    connect(console)
    try:
        objective = run(point, **constants, folder=home)
    finally:
        connect(Connection())
    picture = draw_training_curve(home, unit)
    if console.facts.get("test_mae") is not None:
        print(f"test MAE: {console.facts['test_mae']:.4f} {unit}")
    print(f"objective: {objective}" + ("" if recorded is None else f" (recorded: {recorded})"))
    print(f"training curve: {picture}")


def exit_status(command: Callable[[Sequence[str]], None], words: Sequence[str] | None) -> int:
    """Run a command on its words, by default the process's, and return its exit status.

    A mistake of the user is one line on standard error, and 2; a training that diverges, one line and 1.
    """
    try:
        command(sys.argv[1:] if words is None else words)
    except (UserError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
