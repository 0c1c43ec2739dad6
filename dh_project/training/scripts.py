"""The commands behind ``default_config.py`` and ``best_config.py``: run one point of a problem outside a search.

Both run the point in a folder of the working directory, ``default_config/PROBLEM`` or ``best_config/PROBLEM``, unless
``folder=NAME`` names another one. A module can define how its points are run there with a function beside its run
function::

    def run_alone(point, *, folder, recorded=None, **run_kwargs): ...

Otherwise the run function is called by :func:`dh_project.training.one_point.run_in_folder`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.common.exit_status import exit_status
from dh_project.common.key_values import parse_key_values
from dh_project.results.reruns import best_configuration
from dh_project.training.one_point import run_in_folder
from dh_project.trial.ranks import is_follower
from dh_project.user_code.importing import load_module, split_path
from dh_project.user_code.loading import check_run_kwargs, is_same_run, load_run, prepare_run
from dh_project.user_code.projects import full_name

USUAL_FILES = ("best.json", "results.csv")
"""Files of a search that :func:`run_best` looks for."""

SEARCH = "search"
"""Folder of the searches of a project's problems, each in a folder of its own."""


def run_baseline(problem: str, run: str, words: Sequence[str] | None = None) -> int:
    """Run the first starting point of a problem.

    Args:
        problem: The problem, as given to ``--problem``.
        run: The run function, as given to ``--run``.
        words: ``key=value`` arguments of the run function; None: the command line of this process.

    Returns:
        The exit status: 0; 2 after a mistake of the user, which is told in one line; 1 if the training diverged; 130
        after Ctrl-C.

    Example:
        >>> import sys
        >>> from dh_project import run_baseline
        >>> sys.exit(run_baseline("demo.net.problem.Problem", "demo.net.model_run.run"))  # doctest: +SKIP
    """

    def command(words: Sequence[str]) -> None:
        from dh_project.user_code.problems import (
            load_problem,
        )  # slow to import; mistakes above are told at once

        given = parse_key_values(words)
        points = load_problem(problem).starting_points
        if not points:
            raise UserError(f"{problem} has no starting point; add one with Problem.add_starting_point(...)")
        _run(run, points[0], given, "default_config")

    return exit_status(command, words)


def run_best(run: str, words: Sequence[str] | None = None) -> int:
    """Run the best trial of a search again, with its recorded arguments and seed.

    Args:
        run: The run function, as given to ``--run``.
        words: A ``results.csv``, or a ``best.json`` written by ``deephyper-analytics topk``, and ``key=value``
            arguments that replace the recorded ones. Without a file, ``best.json`` of the working directory is taken,
            else ``results.csv``, or those in ``search/PROBLEM``. If the working directory is the folder of the
            problem, they may also be one folder up. None: the command line of this process.

    Returns:
        The exit status, as :func:`run_baseline`.
    """

    def command(words: Sequence[str]) -> None:
        given = parse_key_values([word for word in words if "=" in word])
        path = results_file([word for word in words if "=" not in word], run)
        best = best_configuration(path)
        if best.run is not None and not is_same_run(best.run, run):
            raise UserError(
                f"{path}: its run function is {best.run}, and this command runs {run}; name results of {run}"
            )
        if not is_follower():
            print(f"trial {best.trial} of {path}: {best.point}", flush=True)
        _run(run, best.point, best.run_kwargs | given, "best_config", recorded=best.objective)

    return exit_status(command, words)


def results_file(names: Sequence[str], run: str) -> Path:
    """Return the results file that is named, or the usual one of a run function.

    Raises:
        UserError: Several files are named, or none is named and none is there.
    """
    if len(names) > 1:
        raise UserError(f"one file of results is enough, and {len(names)} are given: {', '.join(names)}")
    if names:
        return Path(names[0])
    own = Path(SEARCH, problem_name(run))
    home = getattr(load_module(full_name(run, "run"))[0], "__file__", None)
    is_in_problem = home is not None and Path(home).resolve().parent == Path.cwd().resolve()
    places = [Path(), own, *([Path(".."), ".." / own] if is_in_problem else [])]
    found = [place / name for place in places for name in USUAL_FILES if (place / name).exists()]
    if not found:
        raise UserError(
            f"there is neither {' nor '.join(USUAL_FILES)} here or in {own}; name one of a search"
        )
    return found[0]


def problem_name(run: str) -> str:
    """Return the name of the problem of a run function: that of its package, or of its file.

    >>> problem_name("demo.net.model_run.run")
    'net'
    """
    target = full_name(run, "run")
    path, _ = split_path(target)
    parts = target.split(".")[:-1] if path is None else path.absolute().with_suffix("").parts
    return parts[-2] if parts[-1] == "model_run" and len(parts) > 1 else parts[-1]


def _run(
    run: str,
    point: Mapping[str, Any],
    run_kwargs: Mapping[str, Any],
    what: str,
    recorded: float | None = None,
) -> None:
    """Run a point with the module's own ``run_alone``, or by calling its run function."""
    function = load_run(run)
    folder = str(Path(what, problem_name(run)))
    run_alone: Callable[..., None] | None = getattr(load_module(full_name(run, "run"))[0], "run_alone", None)
    if run_alone is None:
        if "folder" in run_kwargs and "folder" not in inspect.signature(function).parameters:
            folder = str(run_kwargs["folder"])
            run_kwargs = {name: value for name, value in run_kwargs.items() if name != "folder"}
        check_run_kwargs(run, function, run_kwargs)
        prepare_run(run, run_kwargs)
        run_in_folder(run, function, point, run_kwargs, Path(folder), recorded)
        return
    try:
        run_alone(point, **{"folder": folder, **run_kwargs}, recorded=recorded)
    except (ValueError, OSError) as error:
        raise UserError(one_line(error)) from error
