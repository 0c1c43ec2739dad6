"""Folders that are made whole or not at all, and shown."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import psutil

from dh_project.common.errors import UserError

LEFT = r"^(__pycache__|build)$|\.egg-info$"
"""What a build or an import leaves in a folder."""


def write_tree(target: Path, files: Mapping[str, str]) -> None:
    """Make a folder with files, aside, and give it its name at the end; scripts of the shell can be run.

    Args:
        target: The folder, which is not there yet.
        files: The texts, by path in it.

    Raises:
        UserError: Somebody else has made it meanwhile.
        OSError: It cannot be written; nothing is left, and it names ``target``.
    """
    asides = f".{target.name}.{socket.gethostname()}."
    aside = target.with_name(f"{asides}{os.getpid()}")
    for left in target.parent.glob(f"{asides}*"):
        writer = left.name.removeprefix(asides)
        if writer.isdecimal() and not psutil.pid_exists(int(writer)):  # it was killed
            shutil.rmtree(left, ignore_errors=True)
    try:
        for name, text in files.items():
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if path.suffix == ".sh":
                path.chmod(0o755)
        if target.exists():
            raise UserError(f"{target} is there already; choose another name")
        aside.rename(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def files_in(folder: Path) -> list[str]:
    """Return the paths of a folder's files in it, without what a build or an import has left."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if not any(re.search(LEFT, part) for part in path.parts)]


def holds_just(folder: Path, files: Mapping[str, str]) -> bool:
    """Say whether a folder holds these texts and nothing else, but what a build or an import has left."""
    try:
        is_made = all((folder / name).read_text(encoding="utf-8") == text for name, text in files.items())
        return is_made and len(files_in(folder)) == len(files)
    except (OSError, ValueError):
        return False


def show_tree(name: str, paths: Iterable[str]) -> str:
    """Return the files of a folder as an indented list, a folder's files before its folders."""
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
