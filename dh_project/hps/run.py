"""``dh.search``: a search from a script, IPython or a notebook."""

from __future__ import annotations

import inspect
import re
import signal
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError
from dh_project.evaluators.settings import OWNERS
from dh_project.hps.observer import Observer
from dh_project.hps.progress import ask_for_no_widgets
from dh_project.hps.session import run_search
from dh_project.hps.settings import SearchSettings
from dh_project.problem import HpProblem
from dh_project.results.search_results import SearchResults

PYTHON_NAMES = {
    **{
        name.replace("_", "-"): name
        for name in ("fresh", *(each.name for each in fields(SearchSettings)), *OWNERS)
    },
    "log-dir": "folder",
    "num-cpus-per-task": "trial.cores",
    "num-gpus-per-task": "trial.gpus",
    "ranks-per-trial": "trial.processes",
    "nodes-per-trial": "trial.nodes",
}
"""Settings whose names differ from those of the options on the command line."""


def search(
    problem: HpProblem | str,
    run: Callable[..., Any] | str,
    *,
    folder: Path | str = ".",
    fresh: bool = False,
    progress: bool | Observer = True,
    **settings: Any,
) -> SearchResults:
    """Search for the hyperparameters that maximise a run function, or continue a search.

    Results are on disk when a trial ends. If the program is killed, the same call continues the search.
    Ctrl-C, a SIGTERM from a batch system, or the end of the terminal (SIGHUP) lets running trials save what they
    have, then ends the program as usual.

    Args:
        problem: The space of hyperparameters with its starting points, or its import path.
        run: ``run(point)`` returns the objective. A function (a notebook's too, if it can be sent to workers), a
            class, or an import path (``package.module.run``, ``run.py:run``).
        folder: Folder for the journal, ``results.csv`` and the trials' folders.
        fresh: Whether to begin a new search. An earlier search in the folder is moved aside, not deleted.
        progress: Whether to show progress, or an observer of your own.
        **settings: Any other field of :class:`SearchSettings`: ``max_evals=50``, ``evaluator="process"``, ``trial=
            dh.TrialShape(gpus=1)``, ...

    Returns:
        The results of the search, over all of its sessions.

    Raises:
        UserError: A setting, the problem, the run function or the folder cannot be used.
        KeyboardInterrupt: After Ctrl-C, when all is saved.
        SystemExit: After SIGTERM or SIGHUP, when all is saved.

    Example:
        >>> import dh_project as dh
        >>> problem = dh.HpProblem()
        >>> _ = problem.add_dim("x", (-10.0, 10.0))
        >>> found = dh.search(problem, run, folder="parabola", max_evals=20)  # doctest: +SKIP
        >>> found.best.point  # doctest: +SKIP
        {'x': 0.02}
    """
    ask_for_no_widgets()
    try:
        for name in settings:
            if (here := PYTHON_NAMES.get(name.replace("_", "-"), name)) != name:
                raise UserError(f"unknown setting {name!r}: from Python it is {here}")
        given = SearchSettings.of({"problem": problem, "run": run, "folder": folder, **settings})
        found = run_search(given, fresh, _observer(progress))
    except UserError as error:
        raise UserError(in_python(str(error))) from None
    if found.ending is not None and found.ending.kind == "signal":
        _end_as_the_signal(found)
    return found


def _observer(progress: bool | Observer) -> Observer | None:
    """Return the observer that is asked for; None for one that suits standard output."""
    if isinstance(progress, Observer):
        return progress
    if not isinstance(progress, bool):
        raise UserError(
            f"progress={progress!r}: give True, False, or an object of a class derived from dh.Observer"
        )
    return None if progress else Observer()


def _end_as_the_signal(found: SearchResults) -> None:
    """Raise the exception that the signal which ended the search usually causes."""
    assert found.ending is not None
    said = f"{found.ending.reason}; the same call continues the search in {found.folder}"
    for number in (signal.SIGTERM, signal.SIGHUP):
        if number.name in found.ending.reason:
            raise SystemExit(128 + number)
    raise KeyboardInterrupt(said)


def in_python(message: str) -> str:
    """Return a message with the options of the command line replaced by the names of settings.

    >>> in_python("--max-evals 0: give at least 1")
    'max_evals 0: give at least 1'
    """

    def name(match: re.Match[str]) -> str:
        return PYTHON_NAMES.get(match[1], match[0])

    return re.sub(r"(?<![\w-])--([a-z][a-z-]+)", name, message)


def _default(setting: Field[Any]) -> Any:
    """Return what a signature shows as the default of a setting."""
    return setting.default if setting.default_factory is MISSING else setting.default_factory()


search.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        *(
            each
            for each in inspect.signature(search).parameters.values()
            if each.kind is not each.VAR_KEYWORD
        ),
        *(
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(each),
                annotation=each.type,
            )
            for each in fields(SearchSettings)
            if each.name not in ("problem", "run", "folder")
        ),
    ],
    return_annotation=SearchResults,
)
