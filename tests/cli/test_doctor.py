import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path):
    """A virtual environment that shares this one's packages, with both console scripts; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    packages = Path(
        subprocess.check_output(
            [python, "-c", "import site; print(site.getsitepackages()[0])"], text=True
        ).strip()
    )
    root = Path(__file__).parents[2]
    (packages / "shared.pth").write_text(f"{root}\n{sysconfig.get_path('purelib')}\n")
    return python


def doctor(python, *options):
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    words = [python, "-m", "dh_project.cli.main", "doctor", *options]
    return subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )


@pytest.mark.slow
def test_the_word_is_given_back(environment):
    script = environment.parent / "deephyper"
    script.write_text(f"#!{environment}\nfrom deephyper.cli import main\nmain()\n")
    script.chmod(0o755)
    told = doctor(environment)
    assert (told.returncode, "dh-project doctor --fix" in told.stdout) == (1, True)
    assert doctor(environment, "--fix").returncode == 0
    answer = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("dh_project ")


@pytest.mark.slow
def test_versions_are_shown_if_mpi4py_finds_no_library(environment):
    said = doctor(environment).stdout
    for name in ("DeepHyper", "Ray", "torch", "mpi4py"):
        assert any(line.startswith(name) for line in said.splitlines())
    assert "CUDA" in said
