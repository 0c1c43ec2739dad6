"""What a project or a problem may be called."""

from __future__ import annotations

import keyword
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
    """Check that a project of this name would hide nothing that is installed, and take nothing's place.

    Raises:
        UserError: A module or a distribution has the name.
    """
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
        "choose another name"
    )


def _finds(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # a module that has no spec, as __main__
        return True
