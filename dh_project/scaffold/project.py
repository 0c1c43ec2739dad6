"""Projects: installed packages that contain problems."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dh_project.common.errors import UserError, one_line
from dh_project.scaffold.names import check_is_free, check_name, is_installed_from
from dh_project.scaffold.template import PROJECT, render
from dh_project.scaffold.tree import holds_just, write_tree
from dh_project.user_code.projects import find_package

OURS = "dh_project"

SETTINGS, OLD_MARK = "pyproject.toml", ".deephyper"
"""Files that mark a project: ``package`` in ``[tool.deephyper]``, or the empty file of old DeepHyper."""


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes:
        root: Its folder.
        package: The name of its package, a folder in ``root`` that contains the problems.
    """

    root: Path
    package: str

    @property
    def home(self) -> Path:
        """The folder of its problems."""
        return self.root / self.package

    def is_importable(self) -> bool:
        """Return whether Python imports its package from this folder."""
        spec = find_package(self.package)
        places = spec.submodule_search_locations if spec else None
        return self.home.resolve() in [Path(place).resolve() for place in places or ()]


def find_project(folder: Path) -> Project:
    """Return the project that contains a folder.

    Raises:
        UserError: No project contains it.
    """
    for root in (folder.absolute(), *folder.absolute().parents):
        package = _package_of(root)
        if package is not None and (root / package).is_dir():
            return Project(root, package)
    raise UserError(
        f"{folder.absolute()} lies in no project; make one with deephyper start-project NAME, and go into NAME/NAME"
    )


def _package_of(root: Path) -> str | None:
    """Return the package of the project in a folder; None if the folder is no project."""
    settings = root / SETTINGS
    if settings.is_file():
        try:
            tools = tomllib.loads(settings.read_text(encoding="utf-8")).get("tool", {})
        except (OSError, ValueError) as error:
            raise UserError(f"{settings} cannot be read: {one_line(error)}; mend it first") from None
        if "package" in tools.get("deephyper", {}):
            return str(tools["deephyper"]["package"])
    return root.name if (root / OLD_MARK).is_file() else None


def start_project(root: Path) -> Project:
    """Make a project and install it, so that its problems can be imported. If this fails, nothing is left behind.

    If an earlier call was killed before the installation, the project is installed now.

    Raises:
        UserError: The name is invalid, the folder exists, or the installation failed.
        OSError: A file cannot be written.
    """
    root = root.absolute()
    check_name(root.name, "project")
    if root.name == OURS:
        raise UserError(
            f"project {OURS!r}: this program has that name, and its clone already is a project: go into "
            f"{Path(__file__).parents[1]}, and give: deephyper new-problem hps NAME"
        )
    files = render([PROJECT], root.name, {"name": root.name})
    was_interrupted = holds_just(root, files) and not is_installed_from(root)
    if not was_interrupted and (root.exists() or root.is_symlink()):
        raise UserError(f"{root} already exists; choose another name, or go into it")
    check_is_free(root)
    if not root.parent.is_dir():
        raise UserError(f"there is no folder {root.parent}; make it first")
    if find_spec("pip") is None:
        raise UserError(
            f"this environment has no pip, which installs a project; add it: {sys.executable} -m ensurepip"
        )
    if not was_interrupted:
        write_tree(root, files)
    try:
        install(root)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    return Project(root, root.name)


def install_command(root: Path) -> list[str]:
    """Return the command that installs a project in place, without network if setuptools is installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    if find_spec("setuptools") is not None:
        command.append("--no-build-isolation")
    return [*command, "--editable", str(root)]


def install(root: Path) -> None:
    """Install a project in place, into the current environment.

    Raises:
        UserError: The installation failed.
    """
    done = subprocess.run(install_command(root), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        why = one_line((errors or lines or [f"exit status {done.returncode}"])[-1])
        raise UserError(
            f"the project {root.name} could not be installed, and was removed: {sys.executable} -m pip: {why}"
        )
