"""What a project or a problem may be called."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from dh_project.errors import UserError


def check_name(name: str, what: str) -> None:
    """Check that a name can be imported.

    Args:
        name: The name.
        what: What is called so.

    Raises:
        UserError: It is no Python identifier.
    """
    if not name.isidentifier():
        raise UserError(
            f"{what} {name!r}: Python cannot import this name; use letters, digits and underscores"
        )
    if keyword.iskeyword(name):
        raise UserError(f"{what} {name!r}: this is a word of Python's own; choose another name")


def check_is_free(name: str) -> None:
    """Check that a project of this name can be installed, and would neither hide what is nor take its place.

    Raises:
        UserError: The name cannot be a distribution's; or a module or a distribution has it.
    """
    if not re.fullmatch("[A-Za-z0-9](\\w*[A-Za-z0-9])?", name, re.ASCII):
        raise UserError(
            f"project {name!r}: pip cannot install this name; use ASCII letters and digits, and underscores between"
        )
    if name in sys.stdlib_module_names or _finds(name):
        raise UserError(
            f"project {name!r}: a module of this name is installed, which it would hide; choose another name"
        )
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        return
    raise UserError(
        f"project {name!r}: it would take the place of the distribution {name} {version}, which is installed; "
        f"choose another name, or uninstall that"
    )


def _finds(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a module that has no spec, as __main__
        return True
