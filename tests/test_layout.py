"""Imports run one way, from the command line down to what every part uses; and no two modules import each other."""

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dh_project"

LAYERS = (
    {"cli", "testing"},
    {"scaffold", "analysis"},
    {"training", "hpc"},
    {"hps"},
    {"evaluators"},
    {"worker"},
    {"user_code"},
    {"results"},
    {"trial", "problem"},
    {"common"},
)
"""From top to bottom: a module imports those of its own layer and of the layers below."""

LEVEL = {folder: level for level, layer in enumerate(LAYERS) for folder in layer}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module of the package, by its full name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "scaffold/project" in str(path) or "hpc/balsam/inside" in str(path):
            continue  # text for other interpreters
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = dict(modules())

OPTIONAL = ("IPython", "triton", "llvmlite")
"""Packages that another one brings: a notebook, PyTorch for GPUs, numba."""


def imports(path: Path, only_at_start: bool = False) -> Iterator[str]:
    """Yield the modules of the package that a module imports, those for type hints too unless ``only_at_start``."""
    tree = ast.parse(path.read_text())
    for node in top_level(tree) if only_at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == PACKAGE.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE.name:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in NAMES else str(node.module)


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported."""
    for statement in tree.body:
        is_for_hints = isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)
        if not is_for_hints:
            yield statement


def folder_of(module: str) -> str:
    """Return the folder below the package that a module is in; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", [name for name in NAMES if folder_of(name) not in ("", "cgcnn_mp")])
def test_a_module_imports_nothing_from_above(module):
    own = LEVEL[folder_of(module)]
    above = {
        name
        for name in imports(NAMES[module])
        if name != PACKAGE.name and LEVEL.get(folder_of(name), -1) < own
    }
    assert above == set()


def test_no_modules_import_each_other():
    graph = {
        name: {other for other in imports(path, only_at_start=True) if other != name}
        for name, path in NAMES.items()
    }
    graph[PACKAGE.name] = set()  # it imports what is asked for
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_the_top_has_folders_alone():
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    assert len([path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"]) <= 15


def test_arguments_are_parsed_by_the_command_line_alone():
    users = {name for name, path in NAMES.items() if "ArgumentParser" in path.read_text()}
    assert {folder_of(name) for name in users} <= {"cli"}


def test_every_imported_package_is_a_declared_dependency():
    setup = (PACKAGE.parent / "setup.py").read_text()
    declared = {requirement_name(word) for word in re.findall(r'"([A-Za-z][\w.-]*)', setup)}
    imported = {
        root: name
        for name, path in NAMES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        for root in roots(node)
        if root not in sys.stdlib_module_names and root not in (PACKAGE.name, *OPTIONAL)
    }
    distributions = packages_distributions()
    missing = {
        root: name
        for root, name in imported.items()
        if not {requirement_name(each) for each in distributions.get(root, [root])} & declared
    }
    assert missing == {}


def roots(node: ast.AST) -> list[str]:
    """Return the top-level packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.partition(".")[0]]
    return []


def requirement_name(name: str) -> str:
    """Return the normal form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_home_folder_in_a_path_of_the_user_is_found_by_one_function():
    """``expanduser`` of pathlib raises an error for an unknown user; :func:`at_home` leaves the path as it is."""
    others = [
        f"{name}: {line.strip()}"
        for name, path in NAMES.items()
        if name != "dh_project.common.files"
        for line in path.read_text().splitlines()
        if "expanduser()" in line and '"~/' not in line
    ]
    assert others == []
