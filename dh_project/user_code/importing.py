"""Imports a user's objects by ``package.module.attribute`` or by the path of a Python file."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from dh_project.common.errors import UserError, did_you_mean
from dh_project.user_code.projects import PLACES, full_name

MOVED = {
    "deephyper.problem": "from dh_project import HpProblem",
    "deephyper.search": "the command deephyper hps",
    "deephyper.benchmark": "a run function of your own",
}
"""Modules of old DeepHyper and their replacements."""

EXTRAS = {"lightning": "lightning"}
"""Modules that an extra of this package installs, and the name of the extra."""

PICKLED = ".run-function"
"""Ending of a file with a pickled run function for the workers of one session."""


def load_module(target: str) -> tuple[ModuleType, str | None]:
    """Import the module of a target.

    Args:
        target: ``package.module.attribute``, a path ending in ``.py``, or ``path.py:attribute``.

    Returns:
        The module, and the attribute's name; None for a path without an attribute.

    Raises:
        UserError: The module or file does not exist, or its import fails.
    """
    path, attribute = split_path(target)
    if path is not None:
        return _load_file(path), attribute
    name, _, attribute = target.rpartition(".")
    if not name or not all(part.isidentifier() for part in target.split(".")):
        raise UserError(
            f"{target!r} is not a Python object; write package.module.attribute or a path ending in .py"
        )
    try:
        return _import(name), attribute
    except (Exception, SystemExit) as error:
        raise _import_error(target, error) from error


def _import(name: str) -> ModuleType:
    """Import a module. Its project need not be installed, or may have been moved since, if its folder is near.

    The package is looked for in the working directory, in the folder of the running script, and in their parents.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        near = [
            folder
            for start in (Path.cwd(), Path(sys.path[0]).absolute())
            for folder in (start, *start.parents)
        ]
        found = next((folder for folder in near if (folder / package / "__init__.py").is_file()), None)
        if error.name != package or found is None:
            raise
    sys.path.append(str(found))
    return importlib.import_module(name)


def split_path(target: str) -> tuple[Path | None, str | None]:
    """Return the file and the attribute of a target; None for a part that it does not have.

    >>> split_path("run.py:train")
    (PosixPath('run.py'), 'train')
    >>> split_path("package.module.run")
    (None, None)
    """
    path, colon, attribute = target.rpartition(".py:")
    if colon and attribute.isidentifier():
        return Path(f"{path}.py"), attribute
    return (Path(target) if target.endswith(".py") else None), None


def load_attribute(target: str, default_name: str) -> Any:
    """Return the object of a target.

    Args:
        target: An import path, a file, or the short name of an installed problem.
        default_name: Name of the attribute if the target does not name one: ``run`` or ``Problem``.

    Raises:
        UserError: The module or attribute does not exist.
    """
    if target.endswith(PICKLED):
        return pickle.loads(Path(target).read_bytes())
    module, name = load_module(full_name(target, default_name))
    name = name or default_name
    inner = _inner_module(module, name)
    if inner is not None:
        within = PLACES.get(default_name, default_name) if hasattr(inner, "__path__") else default_name
        raise UserError(f"{target} is a module; name an object in it, such as {target}.{within}")
    if not hasattr(module, name):
        public = [other for other in vars(module) if not other.startswith("_")]
        raise UserError(f"{target}: the module has no attribute {name!r}{did_you_mean(name, public)}")
    return getattr(module, name)


def _inner_module(module: ModuleType, name: str) -> ModuleType | None:
    """Return the submodule of a name in a module; None if the name is another object or does not exist.

    Raises:
        UserError: The import of the submodule fails.
    """
    if hasattr(module, name):
        found = getattr(module, name)
        return found if isinstance(found, ModuleType) else None
    inner = f"{module.__name__}.{name}"
    try:
        return importlib.import_module(inner)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == inner:
            return None
        raise _import_error(inner, error) from error


@contextmanager
def without_mpi4py() -> Iterator[None]:
    """Hide mpi4py while DeepHyper is imported.

    DeepHyper imports mpi4py if it is installed. The import fails without an MPI library, and starts MPI with one.
    Only DeepHyper's own evaluators need it, and they are not used here.
    """
    missing = object()
    before = sys.modules.get("mpi4py", missing)
    sys.modules["mpi4py"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["mpi4py"]
        if isinstance(before, ModuleType):
            sys.modules["mpi4py"] = before


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"there is no file {str(path)!r}; name a Python file or package.module.attribute")
    path = path.resolve()
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"file_{name}"  # it must not hide the module of that name
    for loaded in (sys.modules.get(path.stem), sys.modules.get(name)):
        if loaded is not None and getattr(loaded, "__file__", None) == str(path):
            return loaded
    sys.path.insert(0, str(path.parent))  # what stands beside the file can be imported, as in old DeepHyper
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _own_neighbours(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _import_error(str(path), error) from error
    return module


_folders: set[Path] = set()
"""Folders of the files that were loaded."""


@contextmanager
def _own_neighbours(folder: Path) -> Iterator[None]:
    """Hide loaded modules of other files' folders if ``folder`` has modules of the same names, such as ``utils``."""
    own = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    hidden = {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in own and _folder_of(name) in _folders - {folder}
    }
    for name in hidden:
        del sys.modules[name]
    importlib.invalidate_caches()
    _folders.add(folder)
    try:
        yield
    finally:
        sys.modules.update(hidden)


def _folder_of(name: str) -> Path | None:
    """Return the folder from which the top-level module of a name was imported."""
    file = getattr(sys.modules.get(name.partition(".")[0]), "__file__", None)
    if not isinstance(file, str):
        return None
    folder = Path(file).parent
    return folder.parent if Path(file).name == "__init__.py" else folder


def _import_error(target: str, error: BaseException) -> UserError:
    """Return an error that says why a module could not be imported, and in which line."""
    if isinstance(error, UserError):
        return UserError(f"{target}: {error}")
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if missing is not None:
        moved = next((new for old, new in MOVED.items() if f"{missing}.".startswith(f"{old}.")), None)
        if moved:
            return UserError(f"{target}: DeepHyper no longer has {missing}; use {moved}")
        if f"{target}.".startswith(f"{missing}."):
            return UserError(
                f"there is no module {missing!r} (for {target!r}); is it installed, or its folder the current one? "
                f"After its project was moved or renamed, run pip install -e . there again"
            )
    if missing is not None and missing.partition(".")[0] in EXTRAS:
        extra = EXTRAS[missing.partition(".")[0]]
        return UserError(
            f"{target} needs {missing}, which is not installed: "
            f"{sys.executable} -m pip install 'dh_project[{extra}]'"
        )
    last = traceback.extract_tb(error.__traceback__)[-1]
    return UserError(
        f"{target} cannot be imported: {type(error).__name__}: {error} ({last.filename}:{last.lineno})"
    )
