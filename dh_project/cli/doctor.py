"""``dh-project doctor``: shows which program the command ``deephyper`` runs, and the installed versions."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from dh_project.cli.versions import NOT_INSTALLED, installed_version

OURS = "dh_project.cli.main"

SCRIPT = """\
#!{python}
import sys

from dh_project.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""


def add_command(commands: Any) -> None:
    """Add ``doctor`` to the commands."""
    parser = commands.add_parser(
        "doctor",
        help="show which program 'deephyper' runs, and the installed versions",
        description="Show which program the command deephyper runs, and the versions of the packages that it uses.",
        epilog="example:\n  dh-project doctor --fix",
    )
    parser.add_argument_group("what to repair").add_argument(
        "--fix", action="store_true", help="let the command deephyper run this project's program again"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 if ``deephyper`` runs another program."""
    from rich.table import Table

    from dh_project.common.console import open_console

    script = Path(sysconfig.get_path("scripts")) / "deephyper"
    if arguments.fix and not _is_ours(script):
        _give_back(script)
        print(f"{script}: rewritten; it runs this project's program again")
    answering = shutil.which("deephyper")
    healthy = answering is not None and _is_ours(Path(answering))
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, found in {"deephyper": _who_answers(script, answering, healthy), **_versions()}.items():
        table.add_row(name, found)
    open_console().print(table)
    return 0 if healthy else 1


def _is_ours(script: Path) -> bool:
    try:
        return OURS in script.read_text()
    except (OSError, UnicodeDecodeError):
        return False


def _who_answers(script: Path, answering: str | None, healthy: bool) -> str:
    if healthy:
        return f"{answering} (this project's)"
    if answering is None:
        return f"not found: {script.parent} is not on PATH; activate the environment, or use dh-project"
    if Path(answering) != script:
        return f"{answering}, from another environment; activate this one ({script.parent})"
    return (
        f"{answering} (DeepHyper's own, which cannot run a search); repair it with: dh-project doctor --fix"
    )


def _give_back(script: Path) -> None:
    """Replace the console script, completely or not at all."""
    from dh_project.common.files import write_whole

    write_whole(script, SCRIPT.format(python=sys.executable))
    script.chmod(0o755)


QUESTIONS = {
    "mpi4py": "from mpi4py import MPI; print(MPI.Get_library_version().split(',')[0])",
    "torch": "import torch; n = torch.cuda.device_count();"
    "names = [torch.cuda.get_device_name(i) for i in range(n)];"
    "print(', '.join([f'CUDA {torch.version.cuda}', f'{n} GPUs', *names]))",
}
"""Code that prints more than the version of an installed package: its MPI library or its GPUs."""


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    for name in ("dh_project", "DeepHyper", "ConfigSpace", "Ray", "torch", "pymatgen", "mpi4py"):
        versions[name] = installed_version(name)
        if name in QUESTIONS and versions[name] != NOT_INSTALLED:
            versions[name] += f" ({_asked(QUESTIONS[name])})"
    return versions


def _asked(code: str) -> str:
    """Run code in another Python process, because an import may end the process (mpi4py without an MPI library)."""
    try:
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "no answer"
    lines = (answer.stdout if answer.returncode == 0 else answer.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit status {answer.returncode}"
