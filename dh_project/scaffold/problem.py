"""Making a problem in a project, from a template."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.scaffold.names import check_name
from dh_project.scaffold.project import Project
from dh_project.scaffold.template import Template, render
from dh_project.scaffold.tree import write_tree
from dh_project.user_code.script_flags import flags_in_help, unusual_flags


@dataclass(frozen=True)
class NewProblem:
    """A problem that was made.

    Attributes:
        name: Its name in the project.
        folder: Its folder.
        files: The paths of its files, relative to the folder.
        problem: Its name for ``--problem``.
        run: Its name for ``--run``.
    """

    name: str
    folder: Path
    files: Sequence[str]
    problem: str
    run: str


def new_problem(project: Project, name: str, template: Template, words: Sequence[str] = ()) -> NewProblem:
    """Make a problem. If this fails, nothing is left behind.

    Args:
        project: The project.
        name: The name of the problem, in the package of the project.
        template: The template.
        words: ``key=value`` for the options of the template.

    Raises:
        UserError: The name is invalid or taken, a requirement is not installed, or an option is wrong.
        OSError: A file cannot be written.

    Example:
        >>> project = find_project(Path.cwd())  # doctest: +SKIP
        >>> new_problem(project, "ridge", load_template("sklearn")).run  # doctest: +SKIP
        'demo.ridge.model_run.run'
    """
    check_name(name, "problem")
    if name == project.package:
        raise UserError(
            f"problem {name!r}: its project has this name, and one would hide the other; choose another"
        )
    folder = project.home / name
    taken = next((path for path in (folder, folder.with_suffix(".py")) if path.exists()), None)
    if taken is not None:
        raise UserError(f"problem {name!r}: {taken} already exists; choose another name")
    template.check_needs()
    module = f"{project.package}.{name}"
    problem, run = f"{module}.problem.Problem", f"{module}.model_run.{template.run}"
    options = template.read_options(words)
    facts = {
        "name": name,
        "package": project.package,
        "module": module,
        "problem": problem,
        "run": run,
        "quick": dict(template.quick),
        "options": options,
        "flags": _flags(options.get("script", "")),
    }
    files = render(template.folders, name, facts)
    write_tree(folder, files)
    return NewProblem(name, folder, list(files), problem, run)


def _flags(script: str) -> dict[str, str]:
    """Return the flags of a user's script that are not names with dashes, which its ``--help`` tells."""
    if not script:
        return {}
    command = [sys.executable, script] if script.endswith(".py") else [script]
    return unusual_flags(flags_in_help(command) or ())
