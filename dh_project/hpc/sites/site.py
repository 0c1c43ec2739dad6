"""Finds and reads site files, and explains the first mistake in one.

A site is a TOML file. ``load_site`` takes a path that ends in ``.toml``, or a name. It looks for the name in the
folder ``$DH_PROJECT_SITES``, in ``~/.config/dh_project/sites`` and in this package. A file with ``base = "polaris"``
holds only the differences from that site.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from dh_project.common.errors import UserError, did_you_mean, one_line, unknown
from dh_project.common.files import at_home
from dh_project.hpc.sites.facts import Site
from dh_project.hpc.sites.names import site_folders, site_names


def load_site(name: str) -> Site:
    """Return the site with a name, or in a file.

    Args:
        name: Name of a site, or the path of a file that ends in ``.toml``.

    Raises:
        UserError: There is no such site, or its file has an unknown or missing key or a wrong value.
    """
    file = _find(name, passed=())
    content = _with_base(file, passed=())
    for key in ("name", "file"):
        if key in content:
            raise UserError(f"{file}: unknown key {key!r}; the name of a site is that of its file")
    try:
        return Site.model_validate({**content, "name": file.stem, "file": file})
    except ValidationError as error:
        raise UserError(f"{file}: {_mistake(error)}") from None


def _find(name: str, passed: tuple[Path, ...], folder: Path | None = None) -> Path:
    """Return the file of a site, skipping the files that build on it.

    Args:
        name: Name of a site, or the path of a file.
        passed: Files that build on the wanted one.
        folder: Folder that a relative path starts from.

    Raises:
        UserError: There is no such file.
    """
    if name.endswith(".toml"):
        path = (folder or Path()) / at_home(name)
        if not path.is_file():
            raise UserError(f"site {name}: there is no such file")
        return path.resolve()
    for place in site_folders():
        path = (place / f"{name}.toml").resolve()
        if path.is_file() and path not in passed:
            return path
    if passed and name in site_names():
        raise UserError(f"{passed[-1]}: base {name!r} builds on this file itself; name another")
    raise unknown("site", name, site_names())


def _with_base(file: Path, passed: tuple[Path, ...]) -> dict[str, Any]:
    """Return the content of a file, merged over the content of the site that it builds on."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as TOML: {one_line(error)}") from None
    base = content.pop("base", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise UserError(f"{file}: base: give the name of a site, or a path")
    passed = (*passed, file)
    try:
        found = _find(base, passed, file.parent)
    except UserError as error:
        raise UserError(f"{file}: base: {error}") from None
    if found in passed:
        raise UserError(f"{file}: base: {base} builds on this file itself; name another")
    return _merged(_with_base(found, passed), content)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return two tables merged, recursively; the values of ``above`` win."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = _merged(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged


def _mistake(error: ValidationError) -> str:
    """Return a line about the first mistake in a file."""
    wrong = error.errors()[0]
    *place, last = wrong["loc"] or ("",)
    key = one_line(".".join(str(part) for part in wrong["loc"]))
    if wrong["type"] == "extra_forbidden":
        names = _keys(place)
        return f"unknown key {key!r}{did_you_mean(str(last), names)}; valid: {', '.join(names)}"
    if wrong["type"] == "missing":
        return f"the key {key!r} is missing"
    message = one_line(wrong["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def _keys(place: list[Any]) -> list[str]:
    """Return the valid keys at a place in a site file."""
    kind: Any = Site
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[part].annotation
        else:
            kind = get_args(kind)[-1 if get_origin(kind) is dict else 0]
        if get_origin(kind) in (Union, UnionType):
            kind = next(arg for arg in get_args(kind) if arg is not type(None))
    fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
    return [name for name in fields if kind is not Site or name not in ("name", "file")]
