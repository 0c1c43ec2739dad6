"""Loads the object that ``--run`` names, as a function of a point."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common.errors import UserError, did_you_mean, one_line
from dh_project.user_code.importing import load_attribute, load_module, split_path
from dh_project.user_code.projects import full_name
from dh_project.user_code.trainables import as_run
from dh_project.user_code.trainables.base import Trainable


def load_run(target: str) -> Callable[..., Any]:
    """Return a run function. A class is wrapped into one (:mod:`dh_project.user_code.trainables`).

    Args:
        target: An import path, a file (``run.py`` or ``run.py:name``), or the short name of an installed problem.

    Raises:
        UserError: The target does not exist or cannot be called.
    """
    model = load_attribute(target, "run")
    try:
        return as_run(model)
    except UserError as error:
        raise UserError(f"--run {target}: {error}") from None


def check_run_kwargs(
    target: str, run: Callable[..., Any], run_kwargs: Mapping[str, Any], hyperparameters: Sequence[str] = ()
) -> None:
    """Check that a run function can be called as ``run(point, **run_kwargs)``.

    Args:
        target: Its import path, for error messages.
        run: The run function.
        run_kwargs: Its constant arguments.
        hyperparameters: Names of the hyperparameters, which some classes check.

    Raises:
        UserError: An argument is unknown, missing or wrong.
    """
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):  # some builtins have no signature
        return
    names = list(signature.parameters)[1:]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for name in run_kwargs:
        if name not in names and not takes_any:
            raise UserError(
                f"--run-kwargs {name}: {target} takes no such argument{did_you_mean(name, names)}; "
                f"it takes: {', '.join(names) or 'only the point'}"
            )
    try:
        signature.bind({}, **run_kwargs)
    except TypeError as error:
        raise UserError(f"--run {target} cannot be called as run(point, ...): {error}") from None
    if isinstance(run, Trainable):
        try:
            run.check(run_kwargs, hyperparameters)
        except UserError as error:
            raise UserError(f"--run {target}: {error}") from None


def prepare_run(target: str, run_kwargs: Mapping[str, Any]) -> None:
    """Call ``prepare(**run_kwargs)`` of the run function's module, if it exists, once before any trial.

    Raises:
        UserError: ``prepare`` fails, or does not accept its arguments or a file.
    """
    module, _ = load_module(full_name(target, "run"))
    prepare = getattr(module, "prepare", None)
    if prepare is None:
        return
    run = load_run(target)
    try:
        prepare(**(run.of_prepare(run_kwargs) if isinstance(run, Trainable) else run_kwargs))
    except (ValueError, OSError) as error:
        raise UserError(one_line(error)) from error
    except Exception as error:
        said = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"prepare(**run_kwargs) of {module.__name__}, before any trial: {said}") from error


def absolute_target(target: str) -> str:
    """Return a target with its path made absolute, so that it is valid in every folder."""
    path, attribute = split_path(target)
    if path is None:
        return target
    return str(path.resolve()) + (f":{attribute}" if attribute else "")


def is_same_run(recorded: str, run: str) -> bool:
    """Return whether a recorded target and a given one name the same run function.

    A search may have recorded the path of the module's file, on this machine or on another one.

    Args:
        recorded: The target that a search recorded.
        run: The target that is given now.

    Raises:
        UserError: The given target cannot be imported.
    """
    if recorded == run:
        return True
    path, attribute = split_path(recorded)
    if path is None:
        return full_name(recorded, "run") == full_name(run, "run")
    module, name = load_module(full_name(run, "run"))
    if (attribute or "run") != (name or "run"):
        return False
    parts = Path(*module.__name__.split(".")).with_suffix(".py").parts
    return module.__file__ == str(path) or (len(parts) > 1 and path.parts[-len(parts) :] == parts)
