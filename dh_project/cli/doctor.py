"""``dh-project doctor``: which program answers the word ``deephyper``, and what is installed."""

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
        help="say which program answers 'deephyper', and which versions are here",
        description="Say which program answers the word deephyper, and which versions of what it stands on are here.",
        epilog="example:\n  dh-project doctor --fix",
    )
    parser.add_argument_group("what to mend").add_argument(
        "--fix", action="store_true", help="give the word deephyper back to this project"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; exit status 1 where another program answers ``deephyper``."""
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
        return f"nothing answers: {script.parent} is not on PATH; activate the environment, or use dh-project"
    if Path(answering) != script:
        return f"{answering} answers, from another environment; activate this one ({script.parent})"
    return f"{answering} (DeepHyper's own, which cannot run a search); mend it with: dh-project doctor --fix"


def _give_back(script: Path) -> None:
    """Write the console script anew, whole or not at all."""
    from dh_project.common.files import write_whole

    write_whole(script, SCRIPT.format(python=sys.executable))
    script.chmod(0o755)


QUESTIONS = {
    "mpi4py": "from mpi4py import MPI; print(MPI.Get_library_version().split(',')[0])",
    "torch": "import torch; n = torch.cuda.device_count();"
    "names = [torch.cuda.get_device_name(i) for i in range(n)];"
    "print(', '.join([f'CUDA {torch.version.cuda}', f'{n} GPUs', *names]))",
}
"""What to ask a package that is installed: its version alone does not say what it found."""


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    for name in ("dh_project", "DeepHyper", "ConfigSpace", "Ray", "torch", "pymatgen", "mpi4py"):
        versions[name] = installed_version(name)
        if name in QUESTIONS and versions[name] != NOT_INSTALLED:
            versions[name] += f" ({_asked(QUESTIONS[name])})"
    return versions


def _asked(code: str) -> str:
    """Ask another Python, for an import may fail hard (mpi4py without an MPI library does)."""
    try:
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "no answer"
    lines = (answer.stdout if answer.returncode == 0 else answer.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit status {answer.returncode}"
