"""Which file a user means by a checkpoint: a path, a web address, a training's folder, or a trial of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dh_project as dh
from dh_project.cgcnn_mp.training.download import download_checkpoint, is_url
from dh_project.cgcnn_mp.training.saving import BEST, LAST
from dh_project.results.history import History
from dh_project.results.journal import scan
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import Trial

FILES = {"best": BEST, "last": LAST}
"""Short names of the files that a training leaves."""


def find_checkpoint(text: str, of_folder: str = BEST) -> Path:
    """Return the file that a checkpoint's name stands for.

    Args:
        text: A file, ours or the original's; a web address of one; a training's folder; or ``SEARCH:TRIAL`` or
            ``SEARCH:TRIAL:FILE``. SEARCH is a search's folder; TRIAL a trial's number, ``best`` for that of the best
            objective, or ``last`` for the one that ended last; FILE ``best`` for the weights of its best epoch,
            ``last`` for its last one, or a path in its folder. Where no file is named it is the last.
        of_folder: Which file a training's folder stands for.

    Raises:
        UserError: There is none.
    """
    if not text:
        raise dh.UserError("a checkpoint without a name; name a file, a training's folder, or SEARCH:TRIAL")
    if is_url(text):
        return download_checkpoint(text)
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if (path / of_folder).is_file():
        return path / of_folder
    for parts in (2, 3):
        search, *trial = text.rsplit(":", parts - 1)
        if len(trial) == parts - 1 and Path(search).expanduser().is_dir():
            return _file_of(SearchPaths(Path(search).expanduser()), *trial)
    if SearchPaths(path).journal.is_file():
        raise dh.UserError(f"{text} is a search: name one of its trials, as in {text}:7, or {text}:best")
    if path.is_dir():
        raise dh.UserError(
            f"{text} holds no {of_folder}: name a checkpoint, a training's folder, or SEARCH:TRIAL"
        )
    near = dh.errors.did_you_mean(
        path.name, [other.name for other in path.parent.glob("*") if other.is_file()]
    )
    raise dh.UserError(f"there is no checkpoint {text}{near}")


def _file_of(paths: SearchPaths, wanted: str, file: str = "") -> Path:
    """Return a checkpoint of a search's trial, that of its newest attempt that left one."""
    if not paths.journal.is_file():
        raise dh.UserError(f"{paths.folder} is no search: it holds no {paths.journal.name}")
    trial = find_trial(paths, wanted)
    names = [FILES.get(file, file)] if file else [LAST, BEST]  # a model may keep its best alone
    attempts = [paths.trial(trial.id, attempt) for attempt in range(trial.attempt, 0, -1)]
    for folder in attempts:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    why = f" ({trial.state}{': ' + trial.reason if trial.reason else ''})"
    left = sorted({path.name for folder in attempts if folder.is_dir() for path in folder.iterdir()})
    near = dh.errors.did_you_mean(names[0], left) if file else ""
    raise dh.UserError(
        f"trial {trial.id} of {paths.folder} left no {' and no '.join(names)}{near} in "
        f"{paths.trial(trial.id, max(trial.attempt, 1))}{why}"
    )


def configuration_of_trial(checkpoint: Path) -> tuple[str, dict[str, Any]] | None:
    """Return the run function of the trial that left a checkpoint, and its point with the search's run-kwargs.

    None where the file is not in a trial's folder.
    """
    if len(checkpoint.resolve().parents) < 4:
        return None
    paths = SearchPaths(checkpoint.resolve().parents[3])
    trial = checkpoint.resolve().parents[1].name
    if not paths.journal.is_file() or not trial.isdecimal():
        return None
    history = History.replay(scan(paths.journal)[0])
    if history.identity is None or int(trial) not in history.trials:
        return None
    return history.identity.run, {**history.trials[int(trial)].point, **history.identity.run_kwargs}


def find_trial(paths: SearchPaths, wanted: str) -> Trial:
    """Return a trial of a search by its number, or ``best`` or ``last``.

    Raises:
        UserError: There is none.
    """
    history = History.replay(scan(paths.journal)[0])
    if wanted == "best":
        if history.best is None:
            raise dh.UserError(
                f"no trial of {paths.folder} has an objective yet; wait, or name a trial's number"
            )
        return history.best
    if wanted == "last":
        if not history.ended:
            raise dh.UserError(f"no trial of {paths.folder} has ended yet; wait, or name a trial's number")
        return history.ended[-1]
    if wanted.isdecimal() and int(wanted) in history.trials:
        return history.trials[int(wanted)]
    known = f"0 to {max(history.trials)}" if history.trials else "none yet"
    raise dh.UserError(f"{paths.folder} has no trial {wanted!r}; its trials: {known}, or best, or last")
