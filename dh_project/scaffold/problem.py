"""A new problem in a project, from a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dh_project.common.errors import UserError
from dh_project.scaffold.names import check_name
from dh_project.scaffold.project import Project
from dh_project.scaffold.template import Template, render
from dh_project.scaffold.tree import write_tree


@dataclass(frozen=True)
class NewProblem:
    """A problem that was made.

    Attributes:
        folder: Where it stands.
        files: The paths in there.
        problem: What ``--problem`` names it by.
        run: What ``--run`` names it by.
    """

    folder: Path
    files: Sequence[str]
    problem: str
    run: str


def new_problem(project: Project, name: str, template: Template, words: Sequence[str] = ()) -> NewProblem:
    """Make a problem, whole or not at all.

    Args:
        project: Where it is to stand.
        name: Its name, in the project's package.
        template: What it begins as.
        words: ``key=value`` for the template's options.

    Raises:
        UserError: The name cannot be or is taken, the template's needs are not installed, or an option is wrong.
        OSError: It cannot be written.
    """
    check_name(name, "problem")
    if name == project.package:
        raise UserError(
            f"problem {name!r}: its project has this name, and one would hide the other; choose another"
        )
    folder = project.home / name
    taken = next((path for path in (folder, folder.with_suffix(".py")) if path.exists()), None)
    if taken is not None:
        raise UserError(f"problem {name!r}: {taken} is there already; choose another name")
    template.check_needs()
    module = f"{project.package}.{name}"
    problem, run = f"{module}.problem.Problem", f"{module}.model_run.{template.run}"
    facts = {
        "name": name,
        "package": project.package,
        "module": module,
        "problem": problem,
        "run": run,
        "quick": dict(template.quick),
        "options": template.read_options(words),
    }
    files = render(template.folders, name, facts)
    write_tree(folder, files)
    return NewProblem(folder, list(files), problem, run)
