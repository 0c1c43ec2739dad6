"""Finds the problems of installed projects by their short names: ``polynome2`` for ``demo.polynome2``."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path

from dh_project.common.errors import UserError, did_you_mean

GROUP = "dh_project.projects"
"""Group of the entry points that mark packages with problems. ``start-project`` writes them."""

PLACES = {"run": "model_run.run", "Problem": "problem.Problem"}
"""The module and attribute, in a problem's package, for each kind of short name."""


def projects() -> list[str]:
    """Return the names of the packages with problems, this one first."""
    return list(dict.fromkeys(["dh_project", *sorted(point.value for point in entry_points(group=GROUP))]))


def find_package(name: str) -> ModuleSpec | None:
    """Return the specification of a package; None if there is no package of this name.

    A folder without ``__init__.py`` counts only if there is nothing else of this name. Otherwise a project's folder
    would hide the project's package of the same name, which is installed in editable mode.
    """
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    found = [spec for finder in finders if (spec := finder.find_spec(name, None)) is not None]
    return next((spec for spec in found if spec.origin is not None), found[0] if found else None)


def problems(project: str) -> list[str]:
    """Return the names of a package's problems; an empty list if the package cannot be found."""
    spec = find_package(project)
    places = (spec.submodule_search_locations if spec else None) or ()
    found = [path.parent for place in places for path in Path(place).glob("*/problem.py")]
    return sorted(folder.name for folder in found if (folder / "model_run.py").is_file())


def full_name(target: str, attribute: str) -> str:
    """Return the import path of a target. A short name becomes the problem's run function or space.

    Args:
        target: A target of ``--run`` or ``--problem``.
        attribute: ``run`` or ``Problem``. With another attribute, targets are not short names.

    Raises:
        UserError: No installed project has a problem of this name, or several have one.

    Example:
        >>> full_name("cgcnn_mp", "run")
        'dh_project.cgcnn_mp.model_run.run'
    """
    if attribute not in PLACES or not target.isidentifier():
        return target
    known = {project: problems(project) for project in projects()}
    found = [f"{project}.{target}.{PLACES[attribute]}" for project, names in known.items() if target in names]
    if len(found) > 1:
        raise UserError(f"{target!r} is a problem of several projects; write one of: {', '.join(found)}")
    if not found:
        names = list(dict.fromkeys(name for names in known.values() for name in names))
        raise UserError(
            f"{target!r} is not a Python object or a problem of the installed projects"
            f"{did_you_mean(target, names)}; write package.module.attribute, a path ending in .py, or one of "
            f"these: {', '.join(names)}"
        )
    return found[0]
