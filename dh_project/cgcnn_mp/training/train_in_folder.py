"""Training one configuration into a folder: shared by ``deephyper train``, ``default_config`` and ``best_config``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from filelock import Timeout
from rich.console import Console as RichConsole
from rich.table import Table

import dh_project as dh
from dh_project.cgcnn_mp.crystals.content import LOCATIONS, is_same_content
from dh_project.cgcnn_mp.crystals.sources import SHIPPED
from dh_project.cgcnn_mp.figures.training_figures import (
    PARITY,
    PERIODIC_TABLE,
    RESIDUALS,
    RESIDUALS_TABLE,
    ROC,
    TRAINING_CURVE,
    draw_parity,
    draw_residuals_by_element,
    draw_roc,
    draw_training_curve,
)
from dh_project.cgcnn_mp.graphs.labelled_graphs import label_graphs
from dh_project.cgcnn_mp.model_run import data_settings, prepare, run
from dh_project.cgcnn_mp.network.data_parallel import own_ranks
from dh_project.cgcnn_mp.training.configuration import configuration_of
from dh_project.cgcnn_mp.training.evaluation import METRICS, PREDICTIONS
from dh_project.cgcnn_mp.training.saving import BEST, HISTORY, LAST

CONFIG = "config.json"
"""File with the settings that were given for the training in a folder."""
LOCK = ".training.lock"

FIGURES = (PARITY, RESIDUALS, PERIODIC_TABLE, ROC, TRAINING_CURVE)
FILES = (
    *(BEST, LAST, CONFIG, HISTORY, METRICS, PREDICTIONS, RESIDUALS_TABLE, *FIGURES),
    *(str(Path(name).with_suffix(".pdf")) for name in FIGURES),
)
"""The files of a training, in the order in which they are listed."""

ERROR_WORDS = {
    "val_nll": "validation negative log-likelihood",
    "val_scaled_mae": "validation MAE / standard deviation",
}
"""Names of the validation error by its column in the history; for other columns it is the validation MAE."""

Say = Callable[[str], None]


class Console(dh.Connection):
    """Prints the reports of a training.

    Args:
        home: The folder of the training.
        unit: The unit of the label.
        say: Prints a line.
        before: The folder with the checkpoint to resume from; None: start at epoch 1.
    """

    def __init__(self, home: Path, unit: str, say: Say, before: Path | None) -> None:
        self._home, self._unit, self._say = home, unit, say
        self.predecessors = [before] if before is not None else []
        self.epochs = 0

    @cached_property
    def _error_name(self) -> str:
        """The column of the validation error in the history, which is written from the first epoch on."""
        with (self._home / HISTORY).open(newline="", encoding="utf-8") as file:
            return next(name for name in next(csv.reader(file)) if name.startswith("val_"))

    def report(self, step: int, objective: float, of: int | None = None) -> bool:
        """Print the validation error of an epoch."""
        shown = ERROR_WORDS.get(self._error_name) or "validation MAE"
        unit = "" if self._error_name in ERROR_WORDS else f" {self._unit}"
        self._say(f"epoch {step}: {shown} {-objective:.4f}{unit}")
        self.epochs = step
        return True


def train_in_folder(
    point: Mapping[str, Any],
    constants: Mapping[str, Any],
    folder: Path,
    recorded: float | None = None,
    say: Say = print,
    resume: bool = False,
    before: Path | None = None,
) -> None:
    """Train a point, print its metrics, and write checkpoints, tables and figures to a folder.

    If the folder holds the same training, interrupted, it is resumed; any other training in it is replaced. In a
    launch of several ranks (``torchrun``), only the first one writes and prints.

    Args:
        point: The hyperparameters.
        constants: The arguments of ``run``, without ``folder``.
        folder: The folder for the files.
        recorded: The objective that a search recorded for this point, which is printed beside the new one.
        say: Prints a line.
        resume: Whether to resume from ``last.pt``, even if some settings differ.
        before: The folder of that ``last.pt``; None: ``folder``.

    Raises:
        ValueError: The point or an argument is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.
    """
    configuration_of(point, constants)
    if not own_ranks().is_first:
        run(point, **constants)
        return
    prepare(**constants)
    home = folder
    home.mkdir(parents=True, exist_ok=True)
    unit = "eV/atom" if constants.get("data", SHIPPED) == SHIPPED else "in the label's unit"
    with _alone_in(home):
        if not resume and is_interrupted(home, point, constants):
            say(f"goes on from the last epoch in {home}")
            resume = True
        elif not resume:
            (home / LAST).unlink(missing_ok=True)
        console = Console(home, unit, say, (before or home) if resume else None)
        dh.connect(console)
        with _on_record(home, point, constants, console):
            try:
                objective = run(point, **constants, folder=home)
            finally:
                dh.connect(dh.Connection())
    _draw(home, point, constants, unit)
    for line in _metrics_table(home):
        say(line)
    say(f"objective: {objective}" + ("" if recorded is None else f" (recorded: {recorded})"))
    say(f"files in {home}: {', '.join(name for name in FILES if (home / name).is_file())}")


def check_holds_none(folder: Path, advice: str) -> None:
    """Check that a folder holds no training.

    Args:
        folder: The folder.
        advice: What to do if it holds one, for the message.

    Raises:
        UserError: It holds one, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise dh.UserError(f"{folder}: this is a file; name a folder")
    if own_ranks().is_first and any((folder / name).exists() for name in (LAST, BEST, HISTORY)):
        raise dh.UserError(f"{folder} holds a training: {advice}")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder against other trainings.

    Raises:
        UserError: Another training is running in it.
    """
    try:
        lock = dh.file_lock(folder / LOCK, wait=False)
    except Timeout:
        raise dh.UserError(
            f"another training is at work in {folder}: wait for it, or name another --folder"
        ) from None
    with lock:
        yield


@contextmanager
def _on_record(
    home: Path, point: Mapping[str, Any], constants: Mapping[str, Any], console: Console
) -> Iterator[None]:
    """Write ``config.json`` of a training; if the training is refused, restore the older file."""
    path = home / CONFIG
    older = path.read_text(encoding="utf-8") if path.is_file() else None
    dh.files.write_whole(path, _recorded(point, constants))
    try:
        yield
    except (dh.UserError, ValueError):
        if console.epochs == 0:
            dh.files.write_whole(path, older) if older is not None else path.unlink()
        raise


def _recorded(point: Mapping[str, Any], constants: Mapping[str, Any]) -> str:
    absolute = dh.with_absolute_paths(constants, LOCATIONS)
    return json.dumps({**point, **absolute}, indent=2, default=str) + "\n"


def holds(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any]) -> bool:
    """Return whether the training in a folder has this point, these arguments of ``run`` and this data."""
    path = home / CONFIG
    if not path.is_file():
        return False
    try:
        then, now = json.loads(path.read_text(encoding="utf-8")), json.loads(_recorded(point, constants))
    except ValueError:
        return False
    return _without_locations(then) == _without_locations(now) and is_same_content(then, now)


def _without_locations(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in LOCATIONS}


def is_interrupted(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any]) -> bool:
    """Return whether a folder holds an unfinished training of exactly this point and these arguments."""
    return (home / LAST).is_file() and not is_complete(home) and holds(home, point, constants)


def is_complete(home: Path) -> bool:
    """Return whether the metrics and figures in a folder are newer than its last checkpoint."""
    files = [home / name for name in (LAST, METRICS, TRAINING_CURVE)]
    if not all(path.is_file() for path in files):
        return False
    times = [path.stat().st_mtime_ns for path in files]
    return times == sorted(times)


def _draw(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any], unit: str) -> None:
    """Draw the figures of a training; the last one marks it as complete."""
    if constants.get("task") == "classification":
        draw_roc(home)
    else:
        found = label_graphs(data_settings(configuration_of(point, constants)), for_training=False)
        draw_parity(home, unit, ", ".join(found.graphs.label_names))
        draw_residuals_by_element(home, found.graphs, unit)
    draw_training_curve(home, unit)


def _metrics_table(home: Path) -> list[str]:
    """Return a table of metrics as lines, one for each set."""
    sets: dict[str, dict[str, float | None]] = json.loads((home / METRICS).read_text(encoding="utf-8"))
    names = list(dict.fromkeys(name for metrics in sets.values() for name in metrics))
    table = Table("set", *names, box=None, pad_edge=False)
    for which, metrics in sets.items():
        values = [metrics.get(name) for name in names]
        table.add_row(which, *("-" if value is None else f"{value:.4f}" for value in values))
    return lines_of(table)


def lines_of(table: Table) -> list[str]:
    """Return a table as lines that are not wrapped at the width of the terminal."""
    text = StringIO()
    RichConsole(file=text, width=1000).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]
