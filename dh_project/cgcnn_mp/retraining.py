"""One training in a folder: what ``deephyper train``, ``default_config`` and ``best_config`` share."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from filelock import Timeout
from rich.console import Console as RichConsole
from rich.table import Table

from dh_project.cgcnn_mp.checkpoint import load_checkpoint
from dh_project.cgcnn_mp.checkpoint_path import configuration_of_trial, find_checkpoint
from dh_project.cgcnn_mp.configuration import (
    Configuration,
    check_is_cgcnn,
    checked,
    options,
    point_and_arguments,
)
from dh_project.cgcnn_mp.crystals import SHIPPED
from dh_project.cgcnn_mp.data_parallel import own_ranks
from dh_project.cgcnn_mp.evaluation import METRICS
from dh_project.cgcnn_mp.figures import (
    TRAINING_CURVE,
    draw_parity,
    draw_residuals_by_element,
    draw_roc,
    draw_training_curve,
)
from dh_project.cgcnn_mp.labelled_graphs import GRAPH_OPTIONS, label_graphs
from dh_project.cgcnn_mp.model_run import complete_point, prepare, run
from dh_project.cgcnn_mp.saving import BEST, HISTORY, LAST
from dh_project.cgcnn_mp.settings import FREE, Settings
from dh_project.errors import UserError
from dh_project.files import write_whole
from dh_project.lock import file_lock
from dh_project.running import Connection, connect

CONFIG = "config.json"
"""The configuration of a training, in its folder; what it leaves out took its default."""
LOCK = ".training.lock"

ERROR_WORDS = {
    "val_nll": "validation negative log-likelihood",
    "val_scaled_mae": "validation MAE / standard deviation",
}
"""What the error of a training is called by its column in the history; of others it is the validation MAE."""

Say = Callable[[str], None]


class Console(Connection):
    """Tells a person what the worker would be told in a search.

    Args:
        home: The training's folder.
        unit: Of the label.
        say: Prints a line.
        before: The folder whose last epoch to go on from; None for none.
    """

    def __init__(self, home: Path, unit: str, say: Say, before: Path | None) -> None:
        self._home, self._unit, self._say = home, unit, say
        self.predecessors = [before] if before is not None else []
        self.epochs = 0

    @cached_property
    def _error_name(self) -> str:
        """What the history calls the error; the file is there from the first epoch on."""
        with (self._home / HISTORY).open(newline="", encoding="utf-8") as file:
            return next(name for name in next(csv.reader(file)) if name.startswith("val_"))

    def report(self, step: int, objective: float) -> bool:
        """Print the epoch's validation error."""
        shown = ERROR_WORDS.get(self._error_name) or "validation MAE"
        unit = "" if self._error_name in ERROR_WORDS else f" {self._unit}"
        self._say(f"epoch {step}: {shown} {-objective:.4f}{unit}")
        self.epochs = step
        return True


def retrain(
    point: Mapping[str, Any],
    run_kwargs: Mapping[str, Any],
    folder: str,
    recorded: float | None = None,
    say: Say = print,
    resume: bool = False,
    before: Path | None = None,
) -> None:
    """Train a point, print its metrics, and leave the training's files and figures in a folder.

    Where the folder holds this training, interrupted, it goes on; another one that is there gives way. Of several
    ranks (``torchrun``) the first does so, and the others help it train.

    Args:
        point: The hyperparameters.
        run_kwargs: Arguments of ``run``.
        folder: The folder, where ``run_kwargs`` names none.
        recorded: The objective that a search found, to print beside the new one.
        say: Prints a line.
        resume: Whether to go on from a last epoch.
        before: The folder that it lies in; None: the training's own.

    Raises:
        ValueError: The point or an argument is wrong, or the data cannot be used.
        FloatingPointError: The training diverged.
        OSError: The folder cannot be written to.
    """
    constants = {name: value for name, value in run_kwargs.items() if name != "folder"}
    values = complete_point(point)
    Settings(**{field.name: values[field.name] for field in fields(Settings) if field.name in values})
    if not own_ranks().is_first:
        run(point, **constants)
        return
    prepare(**constants)
    home = Path(run_kwargs.get("folder") or folder)
    home.mkdir(parents=True, exist_ok=True)
    unit = "eV/atom" if run_kwargs.get("data", SHIPPED) == SHIPPED else "in the label's unit"
    with _alone_in(home):
        if not resume and _is_interrupted(home, point, constants):
            say(f"goes on from the last epoch in {home}")
            resume = True
        elif not resume:
            (home / LAST).unlink(missing_ok=True)
            _record(home, point, constants)
        connect(Console(home, unit, say, (before or home) if resume else None))
        try:
            objective = run(point, **constants, folder=home)
        finally:
            connect(Connection())
    if resume:
        _record(home, point, constants)
    _draw(home, point, constants, unit)
    for line in _metrics_table(home):
        say(line)
    say(f"objective: {objective}" + ("" if recorded is None else f" (recorded: {recorded})"))
    say(f"files in {home}: {', '.join(sorted(path.name for path in home.iterdir() if path.name[0] != '.'))}")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder.

    Raises:
        UserError: One is at work in it.
    """
    try:
        lock = file_lock(folder / LOCK, wait=False)
    except Timeout:
        raise UserError(
            f"another training is at work in {folder}: wait for it, or name another --folder"
        ) from None
    with lock:
        yield


def _record(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
    write_whole(home / CONFIG, _recorded(point, constants))


def _recorded(point: Mapping[str, Any], constants: Mapping[str, Any]) -> str:
    return json.dumps({**point, **constants}, indent=2, default=str) + "\n"


def holds(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any]) -> bool:
    """Say whether the training in a folder is of just this point and these arguments of ``run``."""
    path = home / CONFIG
    return path.is_file() and path.read_text(encoding="utf-8") == _recorded(point, constants)


def _is_interrupted(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any]) -> bool:
    return (home / LAST).is_file() and not _is_complete(home) and holds(home, point, constants)


def _is_complete(home: Path) -> bool:
    """Say whether metrics and figures are those of the last epoch."""
    files = [home / name for name in (LAST, METRICS, TRAINING_CURVE)]
    if not all(path.is_file() for path in files):
        return False
    times = [path.stat().st_mtime_ns for path in files]
    return times == sorted(times)


def _draw(home: Path, point: Mapping[str, Any], constants: Mapping[str, Any], unit: str) -> None:
    """Draw the figures of a training that has ended; by the last one it is complete."""
    if constants.get("task") == "classification":
        draw_roc(home)
    else:
        draw_parity(home, unit)
        of_graphs = {**complete_point(point), **constants}
        found = label_graphs(
            **{name: of_graphs[name] for name in GRAPH_OPTIONS if name in of_graphs}, for_training=False
        )
        draw_residuals_by_element(home, found.graphs, unit)
    draw_training_curve(home, unit)


def _metrics_table(home: Path) -> list[str]:
    """Return the metrics of each set, one line a set below the metrics' names."""
    sets: dict[str, dict[str, float | None]] = json.loads((home / METRICS).read_text(encoding="utf-8"))
    names = list(dict.fromkeys(name for metrics in sets.values() for name in metrics))
    table = Table("set", *names, box=None, pad_edge=False)
    for which, metrics in sets.items():
        values = [metrics.get(name) for name in names]
        table.add_row(which, *("-" if value is None else f"{value:.4f}" for value in values))
    return lines_of(table)


def lines_of(table: Table) -> list[str]:
    """Return a table as lines, which no terminal's width breaks."""
    text = StringIO()
    RichConsole(file=text, width=1000).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def begin(folder: Path, given: Configuration, say: Say = print) -> None:
    """Train a configuration into a folder that holds no training yet, or this one, interrupted, which goes on.

    Raises:
        UserError: It holds another one, or all of this one.
        ValueError, FloatingPointError, OSError: As ``retrain`` does.
    """
    point, arguments = point_and_arguments(given)
    if not _is_interrupted(folder, point, arguments):
        _check_holds_none(folder)
    retrain(point, arguments, folder=str(folder), say=say)


def go_on(folder: Path, given: Configuration, say: Say = print) -> None:
    """Go on with the training in a folder, by the settings recorded there; given ones win where they may change.

    Raises:
        UserError: There is nothing to go on with, all is done, or another setting is given than that of then.
        ValueError, FloatingPointError, OSError: As ``retrain`` does.
    """
    if not (folder / LAST).is_file():
        raise UserError(f"there is nothing to resume in {folder}: it holds no {LAST}; leave --resume out")
    settings = _settings_of(folder, given)
    if own_ranks().is_first and (done := _what_is_done(folder, settings)):
        raise UserError(done)
    retrain(*point_and_arguments(settings), folder=str(folder), say=say, resume=True)


def is_done(folder: Path, given: Configuration) -> bool:
    """Say whether nothing is left to do of the training in a folder.

    Raises:
        UserError: Another setting is given than that of then.
        CheckpointError, OSError: Its checkpoint cannot be read.
    """
    return (folder / LAST).is_file() and _what_is_done(folder, _settings_of(folder, given)) is not None


def go_on_from(checkpoint: str, folder: Path, given: Configuration, say: Say = print) -> None:
    """Go on with the training that left a checkpoint, into a folder that holds none; the checkpoint stays as it is.

    Args:
        checkpoint: What ``find_checkpoint`` takes; a training's folder stands for its ``last.pt``.
        folder: The folder.
        given: Settings, which win over those recorded beside the checkpoint, or in its search, where they may change.
        say: Prints a line.

    Raises:
        UserError: There is no such checkpoint, or it has as many epochs as are asked for, or more.
        ValueError, FloatingPointError, OSError: As ``retrain`` does.
    """
    path = find_checkpoint(checkpoint, of_folder=LAST)
    done = len(load_checkpoint(path).get("history", ()))
    found = configuration_of_trial(path)
    if found is not None:
        check_is_cgcnn(path, found[0])
        settings = _with_changes(checked(found[1], path), given, path.parent)
    else:
        settings = _settings_of(path.parent, given)
    epochs = settings.get("epochs", options()["epochs"].default)
    if done >= epochs:
        fewer = "fewer" if done > epochs else "no more"
        raise UserError(
            f"the checkpoint is at epoch {done} and epochs={epochs} asks for {fewer}: {path}; "
            "ask for more with --epochs"
        )
    _check_holds_none(folder)
    was_there = folder.exists()
    try:
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as name:
            copy = shutil.copyfile(path, Path(name) / LAST)
            point, arguments = point_and_arguments(settings)
            retrain(point, arguments, folder=str(folder), say=say, resume=True, before=copy.parent)
    except (UserError, ValueError) as error:  # it is of another training: nothing was done
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise UserError(str(error).replace(str(copy), checkpoint)) from error


def _check_holds_none(folder: Path) -> None:
    """Check that a training can begin in a folder.

    Raises:
        UserError: It holds one, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--folder {folder}: this is a file; name a folder")
    if own_ranks().is_first and any((folder / name).exists() for name in (LAST, BEST, HISTORY)):
        raise UserError(
            f"{folder} holds a training: go on with --resume, name another --folder, or give --timestamp"
        )


def _settings_of(folder: Path, given: Configuration) -> Configuration:
    """Return the settings of a training that goes on; without a record, those that are given."""
    path = folder / CONFIG
    if not path.is_file():
        return given
    try:
        recorded = checked(json.loads(path.read_text(encoding="utf-8")), path)
    except (json.JSONDecodeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read: {error}; give the settings anew and remove it") from None
    return _with_changes(recorded, given, folder)


def _with_changes(recorded: Configuration, given: Configuration, folder: Path) -> Configuration:
    """Return recorded settings with what is given now.

    Raises:
        UserError: What is given changes one that may not change.
    """
    defaults = {name: option.default for name, option in options().items()}
    then = {name: recorded.get(name, defaults[name]) for name in given}
    may_change = (*FREE, "epochs", "cache_folder", "max_lost_share")
    changed = [name for name in given if name not in may_change and not _same(given[name], then[name])]
    if changed:
        both = "; ".join(f"{name} was {then[name]!r} and is {given[name]!r} now" for name in changed)
        raise UserError(f"the training in {folder} cannot go on otherwise: {both}")
    return recorded | given


def _same(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, list | tuple) and list(one) == list(other or ()))


def _what_is_done(folder: Path, settings: Configuration) -> str | None:
    """Return why there is nothing left to do; None where there are epochs, an evaluation or figures.

    Raises:
        CheckpointError: What lies there is no checkpoint.
        OSError: It cannot be opened.
    """
    done = len(load_checkpoint(folder / LAST).get("history", ()))
    if not _is_complete(folder):
        return None
    epochs = settings.get("epochs", options()["epochs"].default)
    if done >= epochs:
        return f"{done} epochs are done in {folder}; ask for more with --epochs"
    patience = settings.get("patience", options()["patience"].default)
    best = int(load_checkpoint(folder / BEST).get("epoch", 0)) if (folder / BEST).is_file() else done
    if patience is not None and done - best >= patience:
        return (
            f"the training in {folder} ended after {done} epochs, for none after epoch {best} was better; to go on "
            f"give a --patience above {done - best}, or none"
        )
    return None
