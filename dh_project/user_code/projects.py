"""The problems of the installed projects, by their bare names: ``polynome2`` for ``demo.polynome2``."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from pathlib import Path

from dh_project.common.errors import UserError, did_you_mean

GROUP = "dh_project.projects"
"""The entry points by which installed packages say that they hold problems; ``start-project`` writes them."""

PLACES = {"run": "model_run.run", "Problem": "problem.Problem"}
"""Where a problem's package has what a bare name stands for."""


def projects() -> list[str]:
    """Return the packages that hold problems, this one first."""
    return list(dict.fromkeys(["dh_project", *sorted(point.value for point in entry_points(group=GROUP))]))


def find_package(name: str) -> ModuleSpec | None:
    """Return where Python finds a package; None where there is none of this name.

    A folder of this name that has no ``__init__.py`` counts only where there is nothing else: the one around a
    project's package would hide the package, which is installed editable, from those who work beside it.
    """
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    found = [spec for finder in finders if (spec := finder.find_spec(name, None)) is not None]
    return next((spec for spec in found if spec.origin is not None), found[0] if found else None)


def problems(project: str) -> list[str]:
    """Return the names of the problems that a package holds; none where it cannot be found."""
    spec = find_package(project)
    places = (spec.submodule_search_locations if spec else None) or ()
    found = [path.parent for place in places for path in Path(place).glob("*/problem.py")]
    return sorted(folder.name for folder in found if (folder / "model_run.py").is_file())


def full_name(target: str, attribute: str) -> str:
    """Return what a target means: where it is the bare name of a problem, its run function or its space.

    Args:
        target: As ``--run`` and ``--problem`` take it.
        attribute: ``run`` or ``Problem``; a bare name for something else is none.

    Raises:
        UserError: No installed project has a problem of this name, or several have.
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
            f"{target!r} names no Python object and no problem of the installed projects"
            f"{did_you_mean(target, names)}; write package.module.attribute, a path ending in .py, or one of "
            f"these: {', '.join(names)}"
        )
    return found[0]
