"""Balsam's own virtual environment, because Balsam cannot share one with DeepHyper."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dh_project.common import cores
from dh_project.common.errors import UserError, one_line
from dh_project.common.files import write_whole
from dh_project.hpc.balsam.client import address
from dh_project.hpc.balsam.install.daemons import last_line
from dh_project.hpc.balsam.install.installation import Installation
from dh_project.trial import gpus

BALSAM = "0.7.0a24"

REQUIREMENTS = Path(__file__).with_name("requirements.txt")

INSIDE = Path(__file__).parents[1] / "inside"
"""Folder of programs for the environment's interpreter."""

COPIED = {
    "dh_project_address.py": Path(address.__file__),
    "dh_project_client.py": INSIDE / "dh_project_client.py",
    "dh_project_isolation.pth": INSIDE / "dh_project_isolation.pth",
    "dh_project_platform.py": INSIDE / "dh_project_platform.py",
    "dh_project_serial_mode.py": INSIDE / "dh_project_serial_mode.py",
    "dh_project_server.py": INSIDE / "dh_project_server.py",
    "dh_project_cores.py": Path(cores.__file__),
    "dh_project_gpus.py": Path(gpus.__file__),
}
"""Files that are copied into Balsam's environment, where this package cannot be imported, and their originals."""

PYTHONS = ((3, 11), (3, 12))
"""Versions of Python that Balsam's pinned requirements have wheels for."""

OF_PYTHON = ("PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")


def fault(installation: Installation) -> str | None:
    """Return what is wrong with the environment, or None. This check only looks at files."""
    if not os.access(installation.python, os.X_OK):
        return "its interpreter is missing"
    try:
        made = json.loads(_stamp_file(installation).read_text())
    except (OSError, ValueError):
        made = None
    if not isinstance(made, dict):
        return "its installation was not finished"
    if made.get("balsam") != BALSAM:
        return f"it holds Balsam {made.get('balsam')}, and this version needs {BALSAM}"
    if not (_packages(installation) / "balsam" / "__init__.py").exists():
        return "Balsam is missing in it"
    if made.get("requirements") != _requirements_digest() or _outdated(installation):
        return "it was made by another version of this package"
    return None


def require_environment(installation: Installation) -> None:
    """Make sure that Balsam's environment is whole.

    Raises:
        UserError: Something is missing or outdated.
    """
    wrong = fault(installation)
    if wrong:
        raise UserError(
            f"{installation.environment}: Balsam's environment cannot be used: {wrong}; mend it with: "
            f"deephyper balsam-init {installation.folder}"
        )


def require_its_packages(installation: Installation) -> None:
    """Make sure that all packages that Balsam needs can be imported. This takes a second or two.

    Raises:
        UserError: A package is missing.
    """
    if not works(installation):
        raise UserError(
            f"{installation.environment}: a package that Balsam needs is missing in its environment; mend it with: "
            f"deephyper balsam-init {installation.folder}"
        )


def works(installation: Installation) -> bool:
    """Return whether all packages that Balsam needs can be imported. This takes a second or two."""
    if fault(installation):
        return False
    try:
        return bool(run_inside(installation, "check.py").get("balsam") == BALSAM)
    except UserError:
        return False


def refresh(installation: Installation) -> bool:
    """Copy this version's own files into an existing environment; return whether any file changed."""
    is_there = _stamp_file(installation).exists() and (_packages(installation) / "balsam").exists()
    outdated = _outdated(installation) if is_there else []
    for name in outdated:
        write_whole(_packages(installation) / name, COPIED[name].read_text())
    return bool(outdated)


def make_environment(installation: Installation, python: Path, tell: Callable[[str], None]) -> None:
    """Make the environment, replacing a broken one.

    Args:
        installation: The folder.
        python: Interpreter to make it with.
        tell: Where lines for the user go.

    Raises:
        UserError: It cannot be made; the line names the log.
    """
    tell(f"installing Balsam {BALSAM} into {installation.environment} (a minute or two)")
    log = installation.folder / "balsam-init.log"
    shutil.rmtree(installation.environment, ignore_errors=True)
    pip: list[str | Path] = [
        installation.python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]
    # packages on PYTHONPATH would count as installed
    plain = {name: value for name, value in variables(installation).items() if name != "PYTHONPATH"}
    commands: list[list[str | Path]] = [
        [str(python), "-m", "venv", installation.environment],
        [*pip, "--requirement", REQUIREMENTS],
    ]
    for command in commands:
        run_logged(command, plain, log, "Balsam's environment could not be made")
    for name, original in COPIED.items():
        write_whole(_packages(installation) / name, original.read_text())
    found = run_inside(installation, "check.py")
    content = {
        "balsam": found["balsam"],
        "python": found["python"],
        "requirements": _requirements_digest(),
    }
    write_whole(_stamp_file(installation), json.dumps(content) + "\n")


def python_version(installation: Installation) -> str:
    """Return the version of Python in the environment."""
    return str(json.loads(_stamp_file(installation).read_text())["python"])


def variables(installation: Installation, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which Balsam's own programs run.

    Variables of another Balsam that the user may have set up are removed. ``PYTHONPATH`` stays, for the jobs; the
    environment itself keeps it away from Balsam (``dh_project_isolation.pth``).
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OF_PYTHON and not name.upper().startswith("BALSAM_")
    }
    return {
        **kept,
        "DH_PROJECT_BALSAM": str(installation.folder),
        "BALSAM_SITE_PATH": str(installation.site),
        "BALSAM_CLIENT_PATH": str(installation.token_file),
        **(more or {}),
    }


def run_inside(
    installation: Installation,
    program: str,
    *arguments: str | Path,
    given: Any = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a program of the folder ``inside`` with Balsam's interpreter, and return the JSON in its last line.

    Args:
        installation: The folder.
        program: The program's file.
        *arguments: Its arguments, which other users of the machine can see.
        given: Content of its standard input, as JSON.
        more: Variables for its environment.

    Raises:
        UserError: It fails.
    """
    done = subprocess.run(
        [installation.python, "-P", INSIDE / program, *arguments],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env=variables(installation, more),
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode == 0:
        return dict(json.loads(said[-1])) if said else {}
    wrong = [line for line in done.stderr.splitlines() if line.strip()] or said or ["it said nothing"]
    raise UserError(f"Balsam's environment: {program} failed: {one_line(wrong[-1])[:300]}")


def run_logged(
    command: Sequence[str | Path], environment: Mapping[str, str], log: Path, failure: str
) -> None:
    """Run a command with its output in a log.

    Raises:
        UserError: The command fails. The line begins with ``failure``.
    """
    with log.open("ab") as file:
        file.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        file.flush()
        try:
            done = subprocess.run(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=dict(environment),
                check=False,
            )
        except OSError as error:
            raise UserError(f"{command[0]}: cannot be run ({error.strerror})") from None
    if done.returncode != 0:
        raise UserError(f"{failure}: {last_line(log)}; the whole output is in {log}")


def find_python(named: Path | None) -> Path:
    """Return the interpreter to make the environment with: the named one, this process's, or another on ``PATH``.

    Raises:
        UserError: There is none with a version that Balsam's requirements have wheels for.
    """
    if named is not None:
        return _checked_python(named)
    if sys.version_info[:2] in PYTHONS:
        return Path(sys.executable)
    names = [f"python{major}.{minor}" for major, minor in reversed(PYTHONS)]
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise UserError(
            f"Balsam {BALSAM} needs Python 3.11 or 3.12, and this is {sys.version_info.major}."
            f"{sys.version_info.minor}; name one with --python"
        )
    return Path(found)


def _checked_python(python: Path) -> Path:
    try:
        said = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
        )
        version = tuple(map(int, said.stdout.split()))
    except (OSError, subprocess.CalledProcessError, ValueError):
        raise UserError(
            f"--python {python}: this is not a working Python; name the file of an interpreter"
        ) from None
    if version not in PYTHONS:
        raise UserError(
            f"--python {python}: Balsam {BALSAM} needs Python 3.11 or 3.12, and this is {version[0]}.{version[1]}"
        )
    return python


def _requirements_digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]


def _outdated(installation: Installation) -> list[str]:
    """Return which of the files that Balsam imports are missing or not of this version."""
    packages = _packages(installation)
    return [
        name
        for name, original in COPIED.items()
        if not (packages / name).exists() or (packages / name).read_bytes() != original.read_bytes()
    ]


def _packages(installation: Installation) -> Path:
    """Return the environment's folder of packages; a path that does not exist if there is none."""
    found = installation.environment.glob("lib/python3*/site-packages")
    return next(found, installation.environment / "lib")


def _stamp_file(installation: Installation) -> Path:
    return installation.environment / "dh_project.json"
