"""Which file a user means by a checkpoint: a path, a training's folder, or a trial of a search."""

from __future__ import annotations

from pathlib import Path

from dh_project.cgcnn_mp.saving import BEST
from dh_project.errors import UserError, did_you_mean
from dh_project.history import History
from dh_project.journal import scan
from dh_project.trial import SearchPaths, Trial


def find_checkpoint(text: str) -> Path:
    """Return the file that a checkpoint's name stands for.

    Args:
        text: A file, ours or the original's; a folder that holds ``best.pt``; ``SEARCH:TRIAL``, a search's folder
            and a trial's number; or ``SEARCH:best``, the trial of the best objective.

    Raises:
        UserError: There is none.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    if (path / BEST).is_file():
        return path / BEST
    search, colon, trial = text.rpartition(":")
    if colon and Path(search).expanduser().is_dir():
        return _weights_of(SearchPaths(Path(search).expanduser()), trial)
    if SearchPaths(path).journal.is_file():
        raise UserError(f"{text} is a search: name one of its trials, as in {text}:7, or {text}:best")
    if path.is_dir():
        raise UserError(f"{text} holds no {BEST}: name a checkpoint, a training's folder, or SEARCH:TRIAL")
    near = did_you_mean(path.name, [other.name for other in path.parent.glob("*") if other.is_file()])
    raise UserError(f"there is no checkpoint {text}{near}")


def _weights_of(paths: SearchPaths, wanted: str) -> Path:
    """Return the best weights of a search's trial, those of its newest attempt that left some."""
    if not paths.journal.is_file():
        raise UserError(f"{paths.folder} is no search: it holds no {paths.journal.name}")
    history = History.replay(scan(paths.journal)[0])
    trial = _find_trial(paths, history, wanted)
    for attempt in range(trial.attempt, 0, -1):
        weights = paths.trial(trial.id, attempt) / BEST
        if weights.is_file():
            return weights
    why = f" ({trial.state}{': ' + trial.reason if trial.reason else ''})"
    raise UserError(
        f"trial {trial.id} of {paths.folder} left no {BEST} in {paths.trial(trial.id, max(trial.attempt, 1))}{why}"
    )


def _find_trial(paths: SearchPaths, history: History, wanted: str) -> Trial:
    if wanted == "best":
        if history.best is None:
            raise UserError(
                f"no trial of {paths.folder} has an objective yet; wait, or name a trial's number"
            )
        return history.best
    if wanted.isdecimal() and int(wanted) in history.trials:
        return history.trials[int(wanted)]
    known = f"0 to {max(history.trials)}" if history.trials else "none yet"
    raise UserError(f"{paths.folder} has no trial {wanted!r}; its trials: {known}, or best")
