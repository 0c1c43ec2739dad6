"""The problem package uses only the public API, like a user's own problem."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import dh_project
from dh_project import cgcnn_mp

FILES = sorted(Path(cgcnn_mp.__path__[0]).rglob("*.py"))


def imported_modules(source: str) -> list[str]:
    """Return the modules that a file imports, also within functions."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append("." * node.level + (node.module or ""))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_problem_package_imports_only_the_public_api(file: Path) -> None:
    own = [name for name in imported_modules(file.read_text()) if name.startswith(("dh_project", "."))]
    private = [
        name for name in own if name != "dh_project" and not f"{name}.".startswith("dh_project.cgcnn_mp.")
    ]
    assert private == []


@pytest.mark.parametrize("name", dh_project.__all__)
def test_every_public_name_can_be_used(name: str) -> None:
    assert getattr(dh_project, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'HpProblm'"):
        dh_project.HpProblm  # noqa: B018


def test_importing_the_package_imports_none_of_its_modules() -> None:
    """Workers and ``deephyper --help`` import the package, and must not wait for torch or pandas."""
    code = "import dh_project, json, sys; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(answer.stdout)
    assert [name for name in loaded if name.startswith("dh_project.")] == []
    assert not {"torch", "numpy", "pandas", "ConfigSpace", "filelock", "yaml"} & set(loaded)
