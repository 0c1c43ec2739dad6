"""Writing a folder of files atomically, and printing it as a tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from dh_project.common.errors import UserError
from dh_project.common.files import creating

LEFT = r"^(__pycache__|build)$|\.egg-info$"
"""Names of files that a build or an import leaves in a folder."""


def write_tree(target: Path, files: Mapping[str, str]) -> None:
    """Write a folder of files atomically: into a temporary folder, which is renamed at the end.

    Shell scripts are made executable.

    Args:
        target: The folder, which must not exist.
        files: The texts by path in the folder.

    Raises:
        UserError: The folder exists.
        OSError: A file cannot be written. Nothing is left behind, and the error names ``target``.
    """
    try:
        with creating(target) as aside:
            for name, text in files.items():
                path = aside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                if path.suffix == ".sh":
                    path.chmod(0o755)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename == str(target):
            raise UserError(f"{target} already exists; choose another name") from None
        raise OSError(error.errno, error.strerror, str(target)) from error


def files_in(folder: Path) -> list[str]:
    """Return the paths of all files in a folder, without those left by a build or an import."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if not any(re.search(LEFT, part) for part in path.parts)]


def holds_just(folder: Path, files: Mapping[str, str]) -> bool:
    """Return whether a folder contains exactly these texts, apart from files left by a build or an import."""
    try:
        is_made = all((folder / name).read_text(encoding="utf-8") == text for name, text in files.items())
        return is_made and len(files_in(folder)) == len(files)
    except (OSError, ValueError):
        return False


def show_tree(name: str, paths: Iterable[str]) -> str:
    """Return paths as an indented tree, with the files of each folder before its subfolders."""
    lines = [f"{name}/"]
    ordered = sorted(map(PurePosixPath, paths), key=lambda path: (len(path.parts), path))
    shown: set[PurePosixPath] = set()
    for path in ordered:
        for folder in reversed(path.parents[:-1]):
            if folder not in shown:
                shown.add(folder)
                lines.append(f"{'    ' * len(folder.parts)}{folder.name}/")
        lines.append(f"{'    ' * len(path.parts)}{path.name}")
    return "\n".join(lines)
