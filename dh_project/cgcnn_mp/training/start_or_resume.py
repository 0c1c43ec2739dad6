"""Starting a training in a folder, or resuming it there or from another checkpoint."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import dh_project as dh
from dh_project.cgcnn_mp.crystals.content import LOCATIONS, is_same_content
from dh_project.cgcnn_mp.network.data_parallel import own_ranks
from dh_project.cgcnn_mp.training.checkpoint import load_checkpoint
from dh_project.cgcnn_mp.training.checkpoint_path import find_checkpoint
from dh_project.cgcnn_mp.training.configuration import DEFAULTS, point_and_arguments
from dh_project.cgcnn_mp.training.configuration_files import checked_in, shared_arguments
from dh_project.cgcnn_mp.training.saving import BEST, LAST
from dh_project.cgcnn_mp.training.settings import FREE
from dh_project.cgcnn_mp.training.train_in_folder import (
    CONFIG,
    Say,
    check_holds_none,
    is_complete,
    is_interrupted,
    train_in_folder,
)

ADVICE = "go on with --resume, name another --folder, or give --timestamp"


def start(folder: Path, given: dict[str, Any], say: Say = print) -> None:
    """Train a configuration into a folder. If the folder holds this training, interrupted, resume it.

    Args:
        folder: The folder.
        given: The settings; those left out take their defaults.
        say: Prints a line.

    Raises:
        UserError: The folder holds another training, or this one is finished.
        ValueError, FloatingPointError, OSError: As ``train_in_folder``.
    """
    point, arguments = point_and_arguments(given)
    if not is_interrupted(folder, point, arguments):
        check_holds_none(folder, ADVICE)
    train_in_folder(point, arguments, folder=folder, say=say)


def resume(folder: Path, given: dict[str, Any], say: Say = print) -> None:
    """Resume the training in a folder with the settings recorded there.

    Args:
        folder: The folder.
        given: Settings that replace recorded ones; only some may change.
        say: Prints a line.

    Raises:
        UserError: There is no checkpoint, the training is finished, or a setting is given that may not change.
        ValueError, FloatingPointError, OSError: As ``train_in_folder``.
    """
    if not (folder / LAST).is_file():
        raise dh.UserError(f"there is nothing to resume in {folder}: it holds no {LAST}; leave --resume out")
    settings = _settings_of(folder, given)
    if own_ranks().is_first and (done := _what_is_done(folder, settings)):
        raise dh.UserError(done)
    train_in_folder(*point_and_arguments(settings), folder=folder, say=say, resume=True)


def is_finished(folder: Path, given: dict[str, Any]) -> bool:
    """Return whether the training in a folder is finished.

    Raises:
        UserError: A setting is given that may not change.
        CheckpointError, OSError: The checkpoint cannot be read.
    """
    return (folder / LAST).is_file() and _what_is_done(folder, _settings_of(folder, given)) is not None


def resume_from(checkpoint: str, folder: Path, given: dict[str, Any], say: Say = print) -> None:
    """Resume the training of a checkpoint in another folder, which holds no training yet.

    The checkpoint is not changed. If the same call was interrupted before, it is resumed.

    Args:
        checkpoint: A checkpoint as ``find_checkpoint`` takes it; a training folder stands for its ``last.pt``.
        folder: The folder for the files.
        given: Settings that replace those recorded beside the checkpoint, or in its search; only some may change.
        say: Prints a line.

    Raises:
        UserError: There is no such checkpoint, or it already has the wanted number of epochs.
        ValueError, FloatingPointError, OSError: As ``train_in_folder``.
    """
    path = find_checkpoint(checkpoint, LAST)
    done = _epochs_in(path)
    origin = dh.find_origin(path)
    if origin is not None:
        recorded = {**shared_arguments(path, origin.run), **origin.run_kwargs, **origin.point}
        settings = _with_changes(checked_in(path, recorded), given, path.parent)
    else:
        settings = _settings_of(path.parent, given)
    epochs = _in_force("epochs", settings)
    if done >= epochs:
        fewer = "fewer" if done > epochs else "no more"
        raise dh.UserError(
            f"the checkpoint is at epoch {done} and epochs={epochs} asks for {fewer}: {path}; "
            "ask for more with --epochs"
        )
    point, arguments = point_and_arguments(settings)
    if is_interrupted(folder, point, arguments):
        train_in_folder(point, arguments, folder=folder, say=say)
        return
    check_holds_none(folder, ADVICE)
    was_there = folder.exists()
    try:
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as name:
            copy = shutil.copyfile(path, Path(name) / LAST)
            train_in_folder(point, arguments, folder=folder, say=say, resume=True, before=copy.parent)
    except (
        dh.UserError,
        ValueError,
    ) as error:  # the checkpoint is of another training, so nothing was written
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise dh.UserError(str(error).replace(str(copy), checkpoint)) from error


def _settings_of(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded settings of a folder with the given ones; only the given ones if none are recorded."""
    path = folder / CONFIG
    if not path.is_file():
        return given
    try:
        recorded = checked_in(path, json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, AttributeError) as error:
        raise dh.UserError(f"{path} cannot be read: {error}; give the settings anew and remove it") from None
    return _with_changes(recorded, given, folder)


def _with_changes(recorded: dict[str, Any], given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return recorded settings, replaced by the given ones.

    Raises:
        UserError: A given setting changes one that may not change.
    """
    then = {name: _in_force(name, recorded) for name in given}
    may_change = [*FREE, "epochs", "cache_folder", "max_lost_share"]
    if is_same_content(recorded, recorded | given):  # the data may have been moved
        may_change += LOCATIONS
    changed = [name for name in given if name not in may_change and not _same(given[name], then[name])]
    if changed:
        both = "; ".join(f"{name} was {then[name]!r} and is {given[name]!r} now" for name in changed)
        raise dh.UserError(f"the training in {folder} cannot go on otherwise: {both}")
    return recorded | given


def _in_force(name: str, settings: dict[str, Any]) -> Any:
    """Return the value of a setting, or its default."""
    return settings.get(name, DEFAULTS[name])


def _epochs_in(checkpoint: Path) -> int:
    """Return the number of epochs of a checkpoint.

    Raises:
        CheckpointError: The file is no checkpoint.
        OSError: The file cannot be opened.
    """
    return len(load_checkpoint(checkpoint).get("history", ()))


def _same(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, list | tuple) and list(one) == list(other or ()))


def _what_is_done(folder: Path, settings: dict[str, Any]) -> str | None:
    """Return why a training is finished; None if epochs, the evaluation or figures are left to do.

    Raises:
        CheckpointError: A file is no checkpoint.
        OSError: A file cannot be opened.
    """
    done = _epochs_in(folder / LAST)
    if not is_complete(folder):
        return None
    epochs = _in_force("epochs", settings)
    if done >= epochs:
        return f"{done} epochs are done in {folder}; ask for more with --epochs"
    patience = _in_force("patience", settings)
    best = int(load_checkpoint(folder / BEST).get("epoch", 0)) if (folder / BEST).is_file() else done
    if patience is not None and done - best >= patience:
        return (
            f"the training in {folder} ended after {done} epochs, because no epoch after {best} was better; to go on "
            f"give a --patience above {done - best}, or none"
        )
    return None
