"""Finding a file that a trial left: a path, a folder, or ``SEARCH:TRIAL[:FILE]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, did_you_mean
from dh_project.common.files import at_home
from dh_project.results.history import Replay
from dh_project.results.paths import SearchPaths
from dh_project.trial.trial import Trial


def find_file(text: str, name: str, aliases: Mapping[str, str] | None = None, what: str = "file") -> Path:
    """Return the file that a user names.

    Args:
        text: One of

            - a file,
            - a folder that holds the file ``name``,
            - ``SEARCH:TRIAL``, the file ``name`` of a trial. SEARCH is the folder of a search. TRIAL is a trial's
              number, ``best`` (the largest objective) or ``last`` (the last one that ended),
            - ``SEARCH:TRIAL:FILE``, another file of that trial: a path in its folder, or one of the aliases.
        name: The file to take if ``text`` names only a folder or a trial.
        aliases: Short names of files, such as ``{"best": "best.pt"}``.
        what: What messages call the file, such as "checkpoint".

    Returns:
        The path. If a trial has several attempts, it is the file of the newest attempt that has one.

    Raises:
        UserError: There is no such file.

    Example:
        >>> import dh_project as dh
        >>> path = dh.find_file("search:best", "model.joblib")  # doctest: +SKIP
    """
    if not text:
        raise UserError(f"a {what} without a name; name a file, a folder that holds {name}, or SEARCH:TRIAL")
    path = at_home(text)
    for candidate in (path, path / name):
        if candidate.is_file():
            return candidate
    for parts in (2, 3):
        search, *trial = text.rsplit(":", parts - 1)
        if len(trial) == parts - 1 and at_home(search).is_dir():
            file = trial[1] if len(trial) == 2 else name
            return _file_of(SearchPaths(at_home(search)), trial[0], (aliases or {}).get(file, file))
    if SearchPaths(path).journal.is_file():
        raise UserError(f"{text} is a search: name one of its trials, as in {text}:7, or {text}:best")
    if path.is_dir():
        raise UserError(f"{text} holds no {name}: name a {what}, a folder that holds one, or SEARCH:TRIAL")
    near = did_you_mean(path.name, [other.name for other in path.parent.glob("*") if other.is_file()])
    raise UserError(f"there is no {what} {text}{near}")


def _file_of(paths: SearchPaths, wanted: str, name: str) -> Path:
    """Return a file of a trial, from its newest attempt that has one."""
    if not paths.journal.is_file():
        raise UserError(f"{paths.folder} is no search: it holds no {paths.journal.name}")
    trial = find_trial(paths, wanted)
    attempts = [paths.trial(trial.id, attempt) for attempt in range(trial.attempt, 0, -1)]
    for folder in attempts:
        if (folder / name).is_file():
            return folder / name
    why = f" ({trial.state}{': ' + trial.reason if trial.reason else ''})"
    files = sorted({path.name for folder in attempts if folder.is_dir() for path in folder.iterdir()})
    raise UserError(
        f"trial {trial.id} of {paths.folder} left no {name}{did_you_mean(name, files)} in "
        f"{paths.trial(trial.id, max(trial.attempt, 1))}{why}"
    )


def find_trial(paths: SearchPaths, wanted: str) -> Trial:
    """Return a trial of a search.

    Args:
        paths: The paths of the search.
        wanted: The number of the trial, ``best`` or ``last``.

    Raises:
        UserError: There is no such trial.
    """
    history = Replay(paths, with_reports=False).read()
    if wanted == "best":
        if history.best is None:
            raise UserError(
                f"no trial of {paths.folder} has an objective yet; wait, or name a trial's number"
            )
        return history.best
    if wanted == "last":
        if not history.ended:
            raise UserError(f"no trial of {paths.folder} has ended yet; wait, or name a trial's number")
        return history.ended[-1]
    if wanted.isdecimal() and int(wanted) in history.trials:
        return history.trials[int(wanted)]
    known = f"0 to {max(history.trials)}" if history.trials else "none yet"
    raise UserError(f"{paths.folder} has no trial {wanted!r}; its trials: {known}, or best, or last")


@dataclass(frozen=True)
class Origin:
    """The call of the run function that made a file.

    Attributes:
        run: The name or path of the run function, as given to ``--run``.
        point: The hyperparameters of the trial.
        run_kwargs: The constant arguments of the search.
    """

    run: str
    point: dict[str, Any]
    run_kwargs: dict[str, Any]


def find_origin(path: Path) -> Origin | None:
    """Return which call made a file in the folder of a trial; None if the file lies elsewhere."""
    parents = path.resolve().parents
    if len(parents) < 4 or not parents[1].name.isdecimal():
        return None
    paths, trial = SearchPaths(parents[3]), int(parents[1].name)
    if not paths.journal.is_file():
        return None
    history = Replay(paths, with_reports=False).read()
    if history.identity is None or trial not in history.trials:
        return None
    return Origin(
        history.identity.run_to_load, dict(history.trials[trial].point), dict(history.identity.run_kwargs)
    )
