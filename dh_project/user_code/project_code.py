"""What identifies a problem and a run function wherever their files lie: their names, their code and their data."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from dh_project.common.errors import UserError, one_line
from dh_project.common.files import at_home
from dh_project.user_code.importing import load_module, split_path

INIT = "__init__.py"

OWN = "dh_project"


def name_of(target: str, attribute: str) -> str:
    """Return the name of an object: its import path, or the name of its file if that is not in a package.

    Args:
        target: An import path or a file.
        attribute: Name of the attribute if the target does not name one.

    Example:
        >>> name_of("/home/me/valley/run.py", "run")
        'run.py:run'
    """
    path, given = split_path(target)
    if path is None:
        return target
    path = path.resolve()
    package = [folder.name for folder in _packages(path)]
    if not package:
        return f"{path.name}:{given or attribute}"
    return ".".join([*reversed(package), *([path.stem] if path.name != INIT else []), given or attribute])


def code_of(targets: Iterable[str]) -> str:
    """Return a hash of the code of objects; empty if none of them has a file.

    The code is the Python files of a problem's package, and the imported modules of its project. For a file outside
    of a package it is the file and the imported modules below its folder. Names and locations do not count.

    Args:
        targets: Import paths or files, which have been imported.
    """
    files: set[Path] = set()
    for target in targets:
        file = _file_of(load_module(target)[0])
        if file is not None:
            files |= {file, *_files_with(file)}
    contents = set()
    for file in files:
        with suppress(OSError):  # removed meanwhile
            contents.add(hashlib.sha256(file.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()[:16] if contents else ""


def _files_with(file: Path) -> Iterator[Path]:
    """Yield the other files that belong to the code of a file."""
    packages = list(_packages(file))
    if packages:
        yield from packages[0].rglob("*.py")
    root = packages[-1] if packages else file.parent
    if packages and root.name == OWN:
        return
    for module in list(sys.modules.values()):
        other = _file_of(module)
        if other is not None and other.is_relative_to(root) and "site-packages" not in other.parts:
            yield other


def _packages(file: Path) -> Iterator[Path]:
    """Yield the folders of the packages that hold a file, the innermost first."""
    folder = file.parent
    while (folder / INIT).is_file():
        yield folder
        folder = folder.parent


def _file_of(module: ModuleType) -> Path | None:
    """Return the Python file of a module; None if it has none."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) and file.endswith(".py") else None


def data_of(target: str, run_kwargs: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of the content of each argument that names data.

    The module of a run function declares them by a function ``identify_data(**run_kwargs)``, which returns the hashes
    by the name of the argument. Without this function no argument names data.

    Args:
        target: The run function.
        run_kwargs: Its constant arguments.

    Raises:
        UserError: ``identify_data`` fails.
    """
    module, _ = load_module(target)
    identify = getattr(module, "identify_data", None)
    if identify is None:
        return {}
    try:
        return dict(identify(**run_kwargs))
    except Exception as error:
        said = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"identify_data(**run_kwargs) of {module.__name__}: {said}") from error


def with_absolute_paths(run_kwargs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return arguments in which the paths of data are absolute, so that they are valid in every folder.

    Args:
        run_kwargs: The arguments.
        names: Names of the arguments that name data.
    """
    return {**run_kwargs, **{name: _absolute(run_kwargs[name]) for name in names if name in run_kwargs}}


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(each) for each in value]
    if isinstance(value, str) and value:
        path = at_home(value)
        with suppress(OSError):
            return str(path.resolve()) if path.exists() else value
    return value


def content_hash(path: Path) -> str:
    """Return the SHA-256 hash of the content of a file, or of the files in a folder with their relative paths.

    Files and folders whose names begin with a dot are left out.

    Args:
        path: The file or folder.

    Raises:
        OSError: A file cannot be read.

    Example::

        def identify_data(data, **others):
            return {"data": content_hash(Path(data))}
    """
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        inner = file.relative_to(path)
        if file.is_file() and not any(part.startswith(".") for part in inner.parts):
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
            digest.update(f"{inner.as_posix()}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
