"""The Python environment that a job activates: that of this process, or the one named by ``--environment``."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dh_project.common.errors import UserError, did_you_mean, one_line
from dh_project.common.files import at_home

PATIENCE_SECONDS = 120.0
"""Time limit for conda, and for a Python on a slow file system."""


@dataclass(frozen=True)
class PythonEnvironment:
    """A Python environment and the lines that activate it.

    Attributes:
        folder: Its folder.
        kind: ``virtual environment``, ``conda environment`` or ``Python``.
        lines: Lines of Bash that activate it.
    """

    folder: Path
    kind: str
    lines: tuple[str, ...]


def find_environment(name: str | None) -> PythonEnvironment:
    """Return the environment that a job will use.

    Args:
        name: The folder of a virtual or conda environment, the name of a conda environment, or an
            ``environment.yml``; None for the environment of this process.

    Raises:
        UserError: There is no such environment.
    """
    if name is None:
        return _environment_in(Path(sys.prefix)) or _plain(Path(sys.executable))
    folder = _folder_of(name)
    found = _environment_in(folder)
    if found is None:
        raise UserError(
            f"--environment {name}: neither a virtual environment (there is no bin/activate) nor one of conda's "
            f"(there is no conda-meta)"
        )
    return found


def what_is_missing(name: str | None, environment: PythonEnvironment, needs: str) -> str | None:
    """Return a line that says which package an environment lacks and how to install it; None if it has all.

    Args:
        name: The environment as the user named it; None for the environment of this process.
        environment: The environment.
        needs: A package that must be in it, beside this one.

    Raises:
        UserError: The environment's Python does not work.
    """
    if name is None:
        python, missing = Path(sys.executable), [needs] if find_spec(needs) is None else []
    else:
        python = environment.folder / "bin" / "python"
        missing = _missing_packages(name, python, ["dh_project", needs])
    if not missing:
        return None
    sources = [_source() if package == "dh_project" else package for package in missing]
    place = "this environment" if name is None else f"--environment {name}"
    return (
        f"{place} has no {' and no '.join(missing)}; install: {python} -m pip install {shlex.join(sources)}"
    )


def _folder_of(name: str) -> Path:
    """Return the folder of an environment, however it is named."""
    path = at_home(name)
    if path.suffix in (".yml", ".yaml"):
        return _described_in(path)
    if path.is_dir():
        return path.absolute()
    if "/" in name or path.exists():
        raise UserError(
            f"--environment {name}: there is no such folder; name an environment's folder, or make one"
        )
    known = _conda_environments(name, name)
    if name in known:
        return known[name]
    raise UserError(
        f"--environment {name}: no folder and no conda environment has that name{did_you_mean(name, known)}; "
        f"conda env list shows the existing ones"
    )


def _described_in(file: Path) -> Path:
    """Return the folder of the conda environment that an ``environment.yml`` describes."""
    import yaml

    try:
        described = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--environment {file}: {error.strerror}; name a file that conda can read") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--environment {file}: this is not YAML: {one_line(error)}") from None
    name = described.get("name") if isinstance(described, dict) else None
    if not isinstance(name, str) or not name:
        raise UserError(
            f"--environment {file}: it does not say the environment's name; give it a line name: …"
        )
    known = _conda_environments(str(file), name)
    if name not in known:  # jobs do not make it: compute nodes may have no network
        raise UserError(
            f"--environment {file}: there is no conda environment {name!r} yet; make it here, once: conda env create "
            f"--file {shlex.quote(str(file))}"
        )
    return known[name]


def _conda_environments(asked: str, name: str) -> dict[str, Path]:
    """Return the folders of conda's environments by name.

    Args:
        asked: The value of ``--environment``, for messages.
        name: The name that is looked up.
    """
    conda = os.environ.get("CONDA_EXE") or shutil.which("conda") or shutil.which("mamba")
    if not conda:
        raise UserError(
            f"--environment {asked}: there is no conda here to look up the environment {name!r}; load its module, "
            f"or name the environment's folder"
        )
    try:
        said = subprocess.run(
            [conda, "env", "list", "--json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        ).stdout
        folders = [Path(folder) for folder in json.loads(said)["envs"]]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise UserError(
            f"--environment {asked}: {conda} env list --json does not work: {one_line(error)}"
        ) from None
    named = {folder.name: folder for folder in reversed(folders) if folder.parent.name == "envs"}
    return {"base": folders[0], **named} if folders else named


def _environment_in(folder: Path) -> PythonEnvironment | None:
    """Return the environment in a folder; None if there is none."""
    if (folder / "conda-meta").is_dir():
        lines = (*_conda_function(folder), f"conda activate {shlex.quote(str(folder))}")
        return PythonEnvironment(folder, "conda environment", lines)
    activate = folder / "bin" / "activate"
    if (folder / "pyvenv.cfg").is_file() and activate.is_file():
        return PythonEnvironment(folder, "virtual environment", (f"source {shlex.quote(str(activate))}",))
    return None


def _conda_function(folder: Path) -> tuple[str, ...]:
    """Return the line that defines ``conda activate`` in a script, which does not read the user's start-up files."""
    executable = os.environ.get("CONDA_EXE")
    homes = [folder, folder.parent.parent, *([Path(executable).parent.parent] if executable else [])]
    for home in homes:
        if (file := home / "etc" / "profile.d" / "conda.sh").is_file():
            return (f"source {shlex.quote(str(file))}",)
    return ('eval "$(conda shell.bash hook)"',)  # conda is on PATH, for example by a module


def _plain(python: Path) -> PythonEnvironment:
    """Return a Python that belongs to no environment."""
    line = f'export PATH={shlex.quote(str(python.parent))}:"$PATH"'
    return PythonEnvironment(python.parent, "Python", (line,))


def _missing_packages(name: str, python: Path, packages: list[str]) -> list[str]:
    """Return the packages that a Python cannot find; they are not imported."""
    find = f"import importlib.util as i; print(*(p for p in {packages} if i.find_spec(p) is None))"
    try:
        done = subprocess.run(
            [python, "-c", find],
            cwd=python.parent,
            env={variable: value for variable, value in os.environ.items() if variable != "PYTHONPATH"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"--environment {name}: {python} does not work: {one_line(error)}") from None
    return done.stdout.split()


def _source() -> str:
    """Return what to install this project from: the folder of its checkout, if there is one."""
    import dh_project

    checkout = Path(dh_project.__file__).parents[1]
    return str(checkout) if (checkout / "setup.py").is_file() else "dh_project"
