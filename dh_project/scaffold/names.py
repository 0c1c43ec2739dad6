"""Valid names of projects and problems."""

from __future__ import annotations

import json
import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dh_project.common.errors import UserError

LONGEST = 100
"""Longest name; file names made from it must be shorter than 256 bytes."""


def check_name(name: str, what: str) -> None:
    """Check that Python can import a name.

    Args:
        name: The name.
        what: ``project`` or ``problem``, for the message.

    Raises:
        UserError: The name is no Python identifier, or too long for a file name.
    """
    if len(name) > LONGEST:
        raise UserError(f"{what} {name[:LONGEST]!r}…: {len(name)} characters; use {LONGEST} at most")
    if not name.isidentifier():
        raise UserError(
            f"{what} {name!r}: Python cannot import this name; use letters, digits and underscores"
        )
    if keyword.iskeyword(name):
        raise UserError(f"{what} {name!r}: this is a keyword of Python; choose another name")


def check_is_free(root: Path) -> None:
    """Check that a project can be installed without hiding or replacing an installed module or distribution.

    An interrupted installation of this project, or an older project in the same folder, is no obstacle.

    Raises:
        UserError: The name is no valid name of a distribution, or an installed module or distribution has it.
    """
    name = root.name
    if not re.fullmatch("[A-Za-z0-9](\\w*[A-Za-z0-9])?", name, re.ASCII):
        raise UserError(
            f"project {name!r}: pip cannot install this name; use ASCII letters and digits, and underscores between"
        )
    if name in sys.stdlib_module_names or _finds_elsewhere(name, root / name):
        raise UserError(
            f"project {name!r}: a module of this name is installed, which it would hide; choose another name"
        )
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        return
    if not is_installed_from(root):
        raise UserError(
            f"project {name!r}: it would take the place of the distribution {name} {version}, which is installed; "
            f"choose another name, or uninstall that"
        )


def is_installed_from(root: Path) -> bool:
    """Return whether the project in a folder is completely installed from that folder."""
    try:
        origin = distribution(root.name).read_text("direct_url.json")  # pip writes this file near the end
    except PackageNotFoundError:
        return False
    return origin is not None and Path(url2pathname(urlsplit(json.loads(origin)["url"]).path)) == root


def _finds_elsewhere(name: str, home: Path) -> bool:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        return True
    return spec is not None and str(home) not in (spec.submodule_search_locations or ())
